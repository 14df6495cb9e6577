//! The socket: made here, or handed over by a service manager.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::serve::ServeError;

/// Where clients find the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Address::Unix(path.into())),
            None if text.starts_with('/') => Ok(Address::Unix(text.into())),
            Some(("unix", _)) => Err("a socket's path is absolute: unix:///run/kiln.sock".into()),
            Some(("tcp", _)) => Err(
                "tcp is not supported: whoever reaches the engine can do all that its user can; \
                 use a unix socket, over ssh where it must be far"
                    .into(),
            ),
            _ => Err("expected unix:///PATH".into()),
        }
    }
}

/// `$XDG_RUNTIME_DIR/kiln.sock`, and root's is `/run/kiln.sock`.
pub fn default_address(root: bool) -> Option<Address> {
    if root {
        return Some(Address::Unix("/run/kiln.sock".into()));
    }
    let dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty())?;
    Some(Address::Unix(Path::new(&dir).join("kiln.sock")))
}

/// A socket that is listened on.
pub struct Socket {
    /// What connections come from.
    pub listener: UnixListener,
    /// The file to take away at the end; a service manager's stays.
    made: Option<PathBuf>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens the socket. To be called while there is only one thread: the umask is everybody's.
pub fn open(address: &Address, group: Option<&str>) -> Result<Socket, ServeError> {
    let mut handed = ListenFd::from_env();
    if let Some(listener) = handed.take_unix_listener(0).map_err(ServeError::Handed)? {
        return Ok(Socket {
            listener,
            made: None,
        });
    }
    let Address::Unix(path) = address;
    let failed = |source: io::Error| ServeError::Socket {
        path: path.clone(),
        source,
    };
    clear(path)?;
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let socket = Socket {
        listener: bound.map_err(failed)?,
        made: Some(path.clone()),
    };
    if let Some(group) = group {
        let id = group_id(group).ok_or_else(|| ServeError::Group(group.to_owned()))?;
        std::os::unix::fs::chown(path, None, Some(id)).map_err(failed)?;
        fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(failed)?;
    }
    Ok(socket)
}

/// Takes away the socket of a server that is no more.
fn clear(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Socket {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(e)),
        Ok(meta) if !meta.file_type().is_socket() => Err(failed(io::Error::other(
            "there is a file that is no socket",
        ))),
        Ok(_) if UnixStream::connect(path).is_ok() => {
            Err(failed(io::Error::other("a server answers there already")))
        }
        Ok(_) => fs::remove_file(path).map_err(failed),
    }
}

/// The number of a group, by its number or by its name in `/etc/group`.
fn group_id(group: &str) -> Option<u32> {
    if let Ok(id) = group.parse() {
        return Some(id);
    }
    let text = fs::read_to_string("/etc/group").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let unix = |path: &str| Ok(Address::Unix(path.into()));
        assert_eq!("unix:///a/b".parse(), unix("/a/b"));
        assert_eq!("/a".parse(), unix("/a"));
        for bad in ["unix://a", "a", "tcp://1:2", "fd://", ""] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
