//! Names to numbers: `USER` and `--chown`, looked up in the image's own files, never in the host's.

use std::path::Path;

use kiln_tree::Root;

use crate::error::BuildError;

/// How much of `/etc/passwd` or `/etc/group` is read at the most.
const LIMIT: u64 = 4 << 20;

/// Who a process runs as.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory, where the image says one.
    pub home: Option<String>,
}

struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

fn read(root: &Root, path: &str) -> Result<String, BuildError> {
    root.read_to_string_limited(Path::new(path), LIMIT)
        .map(Option::unwrap_or_default)
        .map_err(|e| BuildError::new(format!("reading {path} of the image: {e}")))
}

fn accounts(text: &str) -> Vec<Account> {
    text.lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            Some(Account {
                name: f.first()?.to_string(),
                uid: f.get(2)?.parse().ok()?,
                gid: f.get(3)?.parse().ok()?,
                home: f.get(5).unwrap_or(&"").to_string(),
            })
        })
        .collect()
}

/// Name, gid and members of each group.
fn groups(text: &str) -> Vec<(String, u32, Vec<String>)> {
    text.lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let members = f.get(3).unwrap_or(&"").split(',');
            Some((
                f.first()?.to_string(),
                f.get(2)?.parse().ok()?,
                members
                    .filter(|m| !m.is_empty())
                    .map(String::from)
                    .collect(),
            ))
        })
        .collect()
}

fn group_id(root: &Root, group: &str) -> Result<u32, BuildError> {
    let all = groups(&read(root, "etc/group")?);
    if let Some((_, gid, _)) = all.iter().find(|(n, ..)| n == group) {
        return Ok(*gid);
    }
    group.parse().map_err(|_| {
        BuildError::new(format!(
            "unable to find group {group}: no matching entries in group file"
        ))
    })
}

/// Resolves `USER user[:group]` as runc does.
pub fn process_user(root: &Root, spec: &str) -> Result<User, BuildError> {
    let (name, group) = match spec.split_once(':') {
        Some((n, g)) => (n, Some(g).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let all = accounts(&read(root, "etc/passwd")?);
    let number: Option<u32> = name.parse().ok();
    let found = all.iter().find(|a| a.name == name || number == Some(a.uid));
    let mut user = match (found, number) {
        (Some(a), _) => User {
            uid: a.uid,
            gid: a.gid,
            groups: Vec::new(),
            home: Some(a.home.clone()).filter(|h| !h.is_empty()),
        },
        (None, Some(uid)) => User {
            uid,
            ..User::default()
        },
        (None, None) => {
            return Err(BuildError::new(format!(
                "unable to find user {name}: no matching entries in passwd file"
            ))
            .hint("create it first, e.g. with RUN adduser, or use a number"));
        }
    };
    match (group, found) {
        (Some(g), _) => user.gid = group_id(root, g)?,
        (None, Some(a)) => {
            user.groups = groups(&read(root, "etc/group")?)
                .into_iter()
                .filter(|(_, gid, members)| *gid != user.gid && members.contains(&a.name))
                .map(|(_, gid, _)| gid)
                .collect();
        }
        (None, None) => {}
    }
    Ok(user)
}

/// Resolves `--chown=user[:group]`: a number without a group is its own group, as docker has it.
pub fn owner(root: &Root, spec: &str) -> Result<(u32, u32), BuildError> {
    let (name, group) = match spec.split_once(':') {
        Some((n, g)) => (n, Some(g).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let (uid, own_gid) = match name.parse::<u32>() {
        Ok(n) => (n, n),
        Err(_) if name.is_empty() => (0, 0),
        Err(_) => {
            let all = accounts(&read(root, "etc/passwd")?);
            let a = all.iter().find(|a| a.name == name).ok_or_else(|| {
                BuildError::new(format!(
                    "--chown={spec}: unable to find user {name} in the image"
                ))
            })?;
            (a.uid, a.gid)
        }
    };
    let gid = match group {
        None => own_gid,
        Some(g) => match g.parse() {
            Ok(n) => n,
            Err(_) => group_id(root, g)?,
        },
    };
    Ok((uid, gid))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1001::/home/ann:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("etc/group"),
            "root:x:0:\nstaff:x:50:ann,bob\nann:x:1001:\n",
        )
        .unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn names_and_numbers() {
        let (_keep, r) = root();
        let ann = process_user(&r, "ann").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups), (1000, 1001, vec![50]));
        assert_eq!(ann.home.as_deref(), Some("/home/ann"));
        assert_eq!(process_user(&r, "1000").unwrap().gid, 1001);
        assert_eq!(process_user(&r, "7").unwrap().gid, 0);
        assert_eq!(process_user(&r, "ann:staff").unwrap().gid, 50);
        assert_eq!(process_user(&r, "").unwrap().uid, 0);
        assert!(process_user(&r, "nobody").is_err());
        assert_eq!(owner(&r, "ann").unwrap(), (1000, 1001));
        assert_eq!(owner(&r, "5").unwrap(), (5, 5));
        assert_eq!(owner(&r, "ann:staff").unwrap(), (1000, 50));
        assert!(owner(&r, "x:y").is_err());
    }
}
