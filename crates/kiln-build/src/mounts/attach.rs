//! What the step's process is given: mounts, variables, and what has to stay until it has ended.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_dockerfile::{BindMount, CacheMount, Mount, SshMount};
use kiln_oci::Digest;
use kiln_runtime::{Source, detach};
use kiln_store::CacheDir;
use kiln_tree::Root;

use super::agent::Agent;
use super::inputs::Input;
use super::{MountOp, Mounting, context_view, secret, tree_name, written_from};
use crate::error::{BuildError, IoContext};
use crate::snapshot::{Writable, view};

/// The mounts of a step, ready.
#[derive(Default)]
pub struct Attached {
    /// For the runtime.
    pub mounts: Vec<kiln_runtime::Mount>,
    /// Variables of secrets.
    env: Vec<(String, String)>,
    caches: BTreeMap<String, CacheDir>,
    agents: Vec<Agent>,
}

impl Attached {
    /// Adds the variables, in place of those of the same name.
    pub fn add_variables(&self, env: &mut Vec<String>) {
        for (name, value) in &self.env {
            env.retain(|e| e.split_once('=').is_none_or(|(k, _)| k != name));
            env.push(format!("{name}={value}"));
        }
    }
}

impl Mounting<'_> {
    /// Makes all mounts ready.
    pub fn attach(&self, inputs: &[Input]) -> Result<Attached, BuildError> {
        let mut done = Attached::default();
        self.claim_caches(&mut done)?;
        for (n, (op, layers)) in self.each().enumerate() {
            let input = inputs.get(n);
            self.one(n, op, layers, input, &mut done)
                .map_err(|e| self.place(e, op))?;
        }
        Ok(done)
    }

    /// Caches are claimed in the order of their keys, each once, so that no two steps wait for one
    /// another.
    fn claim_caches(&self, done: &mut Attached) -> Result<(), BuildError> {
        let mut wanted: BTreeMap<String, (&MountOp, &CacheMount, Option<&Vec<Digest>>)> =
            BTreeMap::new();
        for (op, layers) in self.each() {
            if let Mount::Cache(m) = &op.mount {
                let key = self.cache_key(m, layers);
                wanted.entry(key).or_insert((op, m, layers));
            }
        }
        for (key, (op, m, layers)) in wanted {
            let dir = self
                .cache_dir(op, m, layers, &key)
                .map_err(|e| self.place(e, op))?;
            done.caches.insert(key, dir);
        }
        Ok(())
    }

    fn one(
        &self,
        n: usize,
        op: &MountOp,
        layers: Option<&Vec<Digest>>,
        input: Option<&Input>,
        done: &mut Attached,
    ) -> Result<(), BuildError> {
        let dir = self.dir.join(format!("mount-{n}"));
        match &op.mount {
            Mount::Bind(m) => done.mounts.push(self.bind(op, m, layers, input, &dir)?),
            Mount::Cache(m) => {
                let key = self.cache_key(m, layers);
                let cache = done.caches.get(&key);
                let path = cache.map(CacheDir::path).unwrap_or(Path::new("/"));
                let root = Root::open(path).context("opening", path)?;
                let mount = detach(root.as_fd())?;
                done.mounts.push(whole(&m.target, m.read_only, mount));
            }
            Mount::Tmpfs(m) => done.mounts.push(kiln_runtime::Mount {
                target: m.target.clone(),
                read_only: m.read_only,
                source: Source::Tmpfs { size: m.size },
            }),
            Mount::Secret(m) => {
                let given = secret::give(m, self.options)?;
                done.mounts.extend(given.file);
                done.env.extend(given.env);
            }
            Mount::Ssh(m) => self.ssh(m, &dir, done)?,
        }
        Ok(())
    }

    fn bind(
        &self,
        op: &MountOp,
        m: &BindMount,
        layers: Option<&Vec<Digest>>,
        input: Option<&Input>,
        dir: &Path,
    ) -> Result<kiln_runtime::Mount, BuildError> {
        let Some(layers) = layers else {
            let (Some(context), Some(found)) =
                (self.context, input.and_then(|i| i.listed.as_ref()))
            else {
                return Err(BuildError::new("this build has no context to mount from"));
            };
            let mount = context_view::mount(context.tree().root, found, m.writable, dir)?;
            return Ok(whole(&m.target, !m.writable, mount));
        };
        std::fs::create_dir_all(dir).context("creating", dir)?;
        let mount = match m.writable {
            true => Writable::new(self.store, layers, dir.join("rw"))?.into_mount(),
            false => {
                let root = view(self.store, layers, dir)?;
                let fd = root.as_fd().try_clone_to_owned();
                fd.context("duplicating the mount of", dir)?
            }
        };
        let fd = mount.try_clone().context("duplicating the mount of", dir)?;
        let path = Path::new(&m.source);
        Root::from_fd(fd).metadata(path).map_err(|e| {
            let name = tree_name(op, written_from(op));
            BuildError::caused(format_args!("{:?} of {name}", m.source), &e)
        })?;
        Ok(kiln_runtime::Mount {
            target: m.target.clone(),
            read_only: !m.writable,
            source: Source::Tree {
                mount: Arc::new(mount),
                path: m.source.clone(),
            },
        })
    }

    fn ssh(&self, m: &SshMount, dir: &Path, done: &mut Attached) -> Result<(), BuildError> {
        let agent: Option<&PathBuf> = self.options.agents.get(&m.id);
        let (Some(agent), Some(target)) = (agent, &m.target) else {
            if m.required {
                return Err(BuildError::new(format!("unset ssh forward key {}", m.id))
                    .hint(format!("start an agent, and give it with --ssh {}", m.id)));
            }
            return Ok(());
        };
        let (served, mount) = Agent::serve(agent, m, dir)?;
        done.agents.push(served);
        done.mounts.push(whole(target, false, mount));
        Ok(())
    }
}

fn whole(target: &str, read_only: bool, mount: OwnedFd) -> kiln_runtime::Mount {
    kiln_runtime::Mount {
        target: target.to_owned(),
        read_only,
        source: Source::Tree {
            mount: Arc::new(mount),
            path: String::new(),
        },
    }
}
