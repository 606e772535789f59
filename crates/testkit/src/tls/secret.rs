//! A Kubernetes Secret as the kubelet mounts it: `NAME → ..data/NAME` and `..data → ..N`; an update changes only
//! `..data`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::certificates::Pem;

pub struct Secret {
    directory: TempDir,
    generation: u32,
}

impl Secret {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let mut secret = Self { directory: tempfile::tempdir().expect("a directory"), generation: 0 };
        secret.put(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), secret.path(name)).expect("a link");
        }
        secret
    }

    /// A Secret with a server's certificate and key, and the authority of its clients.
    pub fn of(server: &Pem, clients: &str) -> Self {
        Self::new(&[("tls.crt", &server.certificate), ("tls.key", &server.key), ("ca.crt", clients)])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces all files atomically, as the kubelet does.
    pub fn put(&mut self, files: &[(&str, &str)]) {
        let at = self.directory.path();
        let old = at.join(format!("..{}", self.generation));
        self.generation += 1;
        let new = format!("..{}", self.generation);
        fs::create_dir(at.join(&new)).expect("a directory");
        for (name, content) in files {
            fs::write(at.join(&new).join(name), content).expect("a file");
        }
        symlink(&new, at.join("..data_tmp")).expect("a link");
        fs::rename(at.join("..data_tmp"), at.join("..data")).expect("re-pointed");
        // the first has no predecessor
        let _ = fs::remove_dir_all(old);
    }

    /// Replaces a certificate, its key, and the authority of clients.
    pub fn put_identity(&mut self, server: &Pem, clients: &str) {
        self.put(&[("tls.crt", &server.certificate), ("tls.key", &server.key), ("ca.crt", clients)]);
    }
}
