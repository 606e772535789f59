//! Binding a unix socket: a socket file that a dead process left behind is removed, one that a process listens on is
//! not.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use super::BindError;

/// The file of a bound socket; removed on drop, unless another file has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identity(&self.path).is_ok_and(|now| now == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove the unix socket {}: {error}", self.path.display());
        }
    }
}

/// Binds `path`, over a stale socket file if there is one.
pub(super) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    let failed = |error| BindError::Unix { path: path.to_owned(), error };
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path).await?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
    .map_err(failed)?;
    let identity = SocketFile::identity(path).map_err(failed)?;
    Ok((listener, SocketFile { path: path.to_owned(), identity }))
}

/// Removes the socket file at `path` if no process listens on it.
async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Unix { path: path.to_owned(), error };
    let is_socket = fs::metadata(path).map_err(failed)?.file_type().is_socket();
    if !is_socket {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        // A process listens there. With any other error too: its backlog is full, or this process may not connect.
        _ => Err(BindError::UnixInUse(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("grpc.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "std leaves the file");
        let (_listener, file) = bind(&path).await.expect("bound over the stale file");
        UnixStream::connect(&path).await.expect("connected");
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_another_process_listens_on_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("grpc.sock");
        let (_listener, _file) = bind(&path).await.expect("bound");
        let error = bind(&path).await.expect_err("in use");
        assert!(matches!(error, BindError::UnixInUse(_)), "{error}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        fs::write(&path, "precious").expect("written");
        let error = bind(&path).await.expect_err("in the way");
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        let long = folder.path().join("x".repeat(120));
        let error = bind(&long).await.expect_err("too long").to_string();
        assert!(error.contains("107 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_replaced_the_socket_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("grpc.sock");
        let (_first, file) = bind(&path).await.expect("bound");
        fs::rename(&path, folder.path().join("moved")).expect("moved away");
        let (_second, _successor) = bind(&path).await.expect("bound again");
        drop(file);
        assert!(path.exists());
    }
}
