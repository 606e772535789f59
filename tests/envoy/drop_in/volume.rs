//! The volume of a Secret or ConfigMap, as the kubelet lays it out: a directory of links into another directory, which
//! is replaced as a whole.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// In a directory of the test.
pub struct Volume {
    path: PathBuf,
    generation: u32,
}

impl Volume {
    /// An empty volume, as for an optional ConfigMap that does not exist.
    pub fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).expect("a directory");
        Self { path, generation: 0 }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces its content at once.
    pub fn fill(&mut self, files: &[(&str, &str)]) {
        self.generation += 1;
        let data = format!("..2026_11_23_10_00_{:02}.1", self.generation);
        let directory = self.path.join(&data);
        fs::create_dir(&directory).expect("a directory");
        for (name, content) in files {
            let file = directory.join(name);
            fs::write(&file, content).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("mode 420");
            let link = self.path.join(name);
            if !link.is_symlink() {
                symlink(format!("..data/{name}"), link).expect("a link");
            }
        }
        let (current, next) = (self.path.join("..data"), self.path.join("..data_tmp"));
        let former = fs::read_link(&current);
        symlink(&data, &next).expect("a link");
        fs::rename(next, current).expect("swapped");
        if let Ok(former) = former {
            fs::remove_dir_all(self.path.join(former)).expect("removed");
        }
    }
}
