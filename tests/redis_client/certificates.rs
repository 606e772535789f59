//! Certificates made for a test.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(directory).args(arguments.split(' ')).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Two authorities, and of the first a server and a client: `NAME.crt` and `NAME.key`.
pub fn certificates(server: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    for name in ["ca", "other"] {
        openssl(
            at,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {name}.key \
                 -out {name}.crt -subj /CN={name}"
            ),
        );
    }
    for (name, extensions) in [
        ("server", format!("subjectAltName={server}\nbasicConstraints=CA:FALSE\n")),
        ("client", "subjectAltName=DNS:client\nbasicConstraints=CA:FALSE\n".to_owned()),
    ] {
        fs::write(at.join("extensions"), extensions).expect("a file");
        openssl(
            at,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr \
                 -subj /CN={name}"
            ),
        );
        openssl(
            at,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions \
                 -out {name}.crt"
            ),
        );
    }
    directory
}
