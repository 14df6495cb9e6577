//! Finding the command and becoming it.

use std::ffi::CString;
use std::io;

use crate::error::RuntimeError;
use crate::process::Process;
use crate::sys;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the command; returns only when that failed.
pub(crate) fn exec(p: &Process) -> RuntimeError {
    let Some(name) = p.argv.first() else {
        return RuntimeError::Setup("there is no command to execute".into());
    };
    let (argv, env) = match (c_strings(&p.argv), c_strings(&p.env)) {
        (Ok(argv), Ok(env)) => (argv, env),
        (Err(e), _) | (_, Err(e)) => return RuntimeError::Setup(format!("exec: {name:?}: {e}")),
    };
    let mut refused = None;
    for path in candidates(name, &p.env) {
        let Ok(c_path) = CString::new(path.as_str()) else {
            continue;
        };
        let error = sys::execve(&c_path, &argv, &env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {
                // A script or program whose interpreter is not there.
                if std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
                    return RuntimeError::NotFound(format!(
                        "exec {path}: no such file or directory"
                    ));
                }
            }
            Some(libc::EACCES) => {
                refused.get_or_insert(path);
            }
            Some(libc::ENOEXEC) => {
                return RuntimeError::NotExecutable(format!("exec {path}: exec format error"));
            }
            _ => return RuntimeError::NotExecutable(format!("exec {path}: {}", plain(&error))),
        }
    }
    match refused {
        Some(path) => RuntimeError::NotExecutable(format!("exec: {path:?}: permission denied")),
        None if name.contains('/') => RuntimeError::NotFound(format!(
            "exec: {name:?}: stat {name}: no such file or directory"
        )),
        None => RuntimeError::NotFound(format!(
            "exec: {name:?}: executable file not found in $PATH"
        )),
    }
}

/// The error without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

fn c_strings(list: &[String]) -> Result<Vec<CString>, std::ffi::NulError> {
    list.iter().map(|s| CString::new(s.as_str())).collect()
}

/// The paths a command could be at, in order.
fn candidates(name: &str, env: &[String]) -> Vec<String> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="));
    path.unwrap_or(DEFAULT_PATH)
        .split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| format!("{}/{name}", dir.trim_end_matches('/')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_the_path_of_the_environment() {
        let env = ["PATH=/a:rel::/b/".to_owned()];
        assert_eq!(candidates("x", &env), ["/a/x", "/b/x"]);
        assert_eq!(candidates("./x", &env), ["./x"]);
        assert!(candidates("", &env).is_empty());
        assert_eq!(candidates("x", &[]).len(), 6);
    }
}
