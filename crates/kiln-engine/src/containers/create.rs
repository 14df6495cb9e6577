//! `create`: an image and what the user asks for become a container that can be started.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use kiln_build::users::process_user;
use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply, write_dir};
use kiln_oci::{Digest, Healthcheck, ImageConfig};
use kiln_runtime::{Overlay, make_mount_points, mount_overlay};
use kiln_store::{ContainerLock, ContainerRecord, Store, StoreError, Volume};
use kiln_tree::Root;

use super::settings::{MountKind, MountSetting, Settings};
use super::{Failure, names};
use crate::BuildError;
use crate::images::find as find_image;

/// A container as the user asks for it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The image.
    pub image: String,
    /// `--name`.
    pub name: Option<String>,
    /// The arguments after the image.
    pub command: Vec<String>,
    /// `--entrypoint`; an empty one takes the image's away.
    pub entrypoint: Option<String>,
    /// `-e` and `--env-file`, complete.
    pub env: Vec<String>,
    /// Names that `-e NAME` takes away.
    pub env_removed: Vec<String>,
    /// `-w`.
    pub cwd: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `-l`.
    pub labels: BTreeMap<String, String>,
    /// `--expose`, and the container's side of `-p`: `80/tcp`.
    pub exposed: Vec<String>,
    /// `--health-*` and `--no-healthcheck`; what is 0 or empty is the image's.
    pub health: Option<Healthcheck>,
    /// All else; its `config`, `image` and `labels` are filled in.
    pub settings: Settings,
}

/// Makes a container; gives its id.
pub fn create(store: &Store, request: &Request) -> Result<String, Failure> {
    inner(store, request).map_err(|f| Failure {
        error: Box::new(crate::full_disk_hint(store, *f.error)),
        ..f
    })
}

fn inner(store: &Store, request: &Request) -> Result<String, Failure> {
    // Its layers are not collected before the row names them.
    let _hold = store.hold()?;
    let (image, config) = find_image(store, &request.image)?;
    let mut settings = request.settings.clone();
    settings.image = request.image.clone();
    settings.config = merge(config, request)?;
    settings.labels = settings.config.config.labels.clone();
    if settings.argv().is_empty() {
        return Err(Failure::new("No command specified"));
    }
    if !settings.cwd().starts_with('/') {
        return Err(Failure::new(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            settings.cwd()
        )));
    }
    let id = names::id()?;
    if settings.hostname.is_empty() {
        settings.hostname = match settings.network.as_str() {
            "host" => rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            _ => id.get(..12).unwrap_or(&id).to_owned(),
        };
    }
    let layers = settings.config.rootfs.diff_ids.clone();
    mounts(&mut settings)?;
    let scratch = store.scratch()?;
    let dir = scratch.path().join("container");
    let lock = directories(store, &dir, &layers)?;
    fill(store, &dir, &layers, &settings)?;
    let mut volumes: Vec<String> = settings
        .mounts
        .iter()
        .filter(|m| m.kind == MountKind::Volume)
        .map(|m| m.source.clone())
        .collect();
    volumes.dedup();
    let mut record = ContainerRecord {
        id: id.clone(),
        name: String::new(),
        image: image.id,
        created: jiff::Timestamp::now().to_string(),
        config: serde_json::to_vec(&settings).map_err(|e| BuildError::new(e.to_string()))?,
        layers,
        volumes,
    };
    // What nobody will keep needn't be on disk.
    let durable = !settings.auto_remove;
    if let Some(name) = &request.name {
        names::check("container", name)?;
        record.name = name.clone();
        store.container_put(&record, &dir, durable)?;
    } else {
        loop {
            record.name = names::name()?;
            match store.container_put(&record, &dir, durable) {
                // So many containers that names run out.
                Err(StoreError::ContainerName { .. }) => {
                    record.name = format!("{}_{}", names::name()?, &record.id[..4]);
                    match store.container_put(&record, &dir, durable) {
                        Err(StoreError::ContainerName { .. }) => continue,
                        other => other?,
                    }
                }
                other => other?,
            }
            break;
        }
    }
    drop(lock);
    Ok(id)
}

/// The image's config with what the user wants instead.
fn merge(mut image: ImageConfig, r: &Request) -> Result<ImageConfig, Failure> {
    let config = &mut image.config;
    match r.entrypoint.as_deref() {
        Some("") => {
            config.entrypoint = None;
            config.cmd = None;
        }
        Some(command) => {
            // The image's CMD is made of arguments for its own entry point.
            config.entrypoint = Some(vec![command.to_owned()]);
            config.cmd = None;
        }
        None => {}
    }
    if !r.command.is_empty() {
        config.cmd = Some(r.command.clone());
    }
    for entry in &r.env {
        let name = entry.split('=').next().unwrap_or_default();
        let same = |e: &String| e.split('=').next() == Some(name);
        match config.env.iter().position(same) {
            Some(at) => config.env[at] = entry.clone(),
            None => config.env.push(entry.clone()),
        }
    }
    for name in &r.env_removed {
        config.env.retain(|e| e.split('=').next() != Some(name));
    }
    if let Some(cwd) = &r.cwd {
        config.working_dir = cwd.clone();
    }
    if let Some(user) = &r.user {
        config.user = user.clone();
    }
    if let Some(signal) = &r.stop_signal {
        if super::signal_number(signal).is_none() {
            return Err(Failure::new(format!("Invalid signal: {signal}")));
        }
        config.stop_signal = Some(signal.clone());
    }
    config.labels.extend(r.labels.clone());
    for port in &r.exposed {
        config
            .exposed_ports
            .insert(port.clone(), Default::default());
    }
    if let Some(given) = &r.health {
        let mut health = config.healthcheck.clone().unwrap_or_default();
        if !given.test.is_empty() {
            health.test = given.test.clone();
        }
        for (to, from) in [
            (&mut health.interval, given.interval),
            (&mut health.timeout, given.timeout),
            (&mut health.start_period, given.start_period),
            (&mut health.start_interval, given.start_interval),
            (&mut health.retries, given.retries),
        ] {
            if from != 0 {
                *to = from;
            }
        }
        config.healthcheck = Some(health);
    }
    Ok(image)
}

/// Completes the mounts: the image's volumes, names for volumes without.
fn mounts(settings: &mut Settings) -> Result<(), Failure> {
    let declared: Vec<String> = settings.config.config.volumes.keys().cloned().collect();
    for target in declared {
        let target = kiln_build::clean_path(&target);
        if settings.mounts.iter().all(|m| m.target != target) {
            settings.mounts.push(MountSetting {
                kind: MountKind::Volume,
                source: String::new(),
                target,
                read_only: false,
                options: Vec::new(),
                no_copy: false,
                make_source: false,
                anonymous: true,
            });
        }
    }
    for m in &mut settings.mounts {
        match m.kind {
            MountKind::Volume if m.source.is_empty() => {
                m.source = names::id()?;
                m.anonymous = true;
            }
            MountKind::Volume => names::check("volume", &m.source)?,
            MountKind::Bind => bind_source(m)?,
            MountKind::Tmpfs => {}
        }
    }
    // What lies deeper is mounted later, whatever the order was.
    settings.mounts.sort_by_key(|m| m.target.split('/').count());
    let mut targets: Vec<&str> = settings.mounts.iter().map(|m| m.target.as_str()).collect();
    targets.sort_unstable();
    if let Some(twice) = targets.windows(2).find(|w| w[0] == w[1]) {
        return Err(Failure::new(format!("Duplicate mount point: {}", twice[0])));
    }
    Ok(())
}

fn bind_source(m: &MountSetting) -> Result<(), Failure> {
    let path = Path::new(&m.source);
    if path.exists() {
        return Ok(());
    }
    if !m.make_source {
        return Err(Failure::new(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            m.source
        )));
    }
    std::fs::create_dir_all(path)
        .map_err(|e| BuildError::caused(format_args!("creating {}", path.display()), &e))?;
    Ok(())
}

/// Makes the container's directories: `rw` and `work` for the overlay, `init` for the places that
/// mounts need, which are no change of the container's.
fn directories(store: &Store, dir: &Path, layers: &[Digest]) -> Result<ContainerLock, Failure> {
    let made = |path: &Path, mode| {
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .map_err(|e| BuildError::caused(format_args!("creating {}", path.display()), &e))
    };
    made(dir, 0o700)?;
    for name in ["rw", "work", "init"] {
        made(&dir.join(name), 0o755)?;
    }
    // The root directory looks like the one of the topmost layer.
    if let Some(top) = layers.last() {
        let top = store.layer_dir(top);
        let bad = |e: std::io::Error| BuildError::caused(top.display(), &e);
        let meta = std::fs::metadata(&top).map_err(bad)?;
        for name in ["rw", "init"] {
            let path = dir.join(name);
            std::os::unix::fs::chown(&path, Some(meta.uid()), Some(meta.gid())).map_err(bad)?;
            let mode = PermissionsExt::from_mode(meta.mode() & 0o7777);
            std::fs::set_permissions(&path, mode).map_err(bad)?;
        }
    }
    Ok(ContainerLock::new_in(dir)?)
}

/// Makes the places for mounts, the working directory, and the volumes.
fn fill(store: &Store, dir: &Path, layers: &[Digest], settings: &Settings) -> Result<(), Failure> {
    let lowers = lowers(store, layers);
    let (init, work) = (dir.join("init"), dir.join("work"));
    let places: Vec<(String, bool)> = settings
        .mounts
        .iter()
        .map(|m| {
            let is_dir = match m.kind {
                MountKind::Bind => Path::new(&m.source).is_dir(),
                _ => true,
            };
            (m.target.clone(), is_dir)
        })
        .collect();
    {
        let root = match lowers.is_empty() {
            // Without layers below, the directory itself is all there is.
            true => std::fs::File::open(&init)
                .map(Into::into)
                .map_err(|e| BuildError::caused(init.display(), &e))?,
            false => mount_overlay(&Overlay {
                lowers: &lowers,
                upper: Some((&init, &work)),
            })
            .map_err(BuildError::from)?,
        };
        make_mount_points(&root, &places).map_err(BuildError::from)?;
        volumes(store, &Root::from_fd(root), settings)?;
    }
    fresh_work(&work)?;
    if settings.cwd() != "/" {
        let root = mount(store, dir, layers, true)?;
        let root = Root::from_fd(root);
        // Whoever runs it owns it, unless that will fail anyway.
        let user = process_user(&root, &settings.config.config.user).unwrap_or_default();
        root.mkdir_all(Path::new(settings.cwd()), 0o755, user.uid, user.gid)
            .map_err(|e| {
                BuildError::caused(format_args!("cannot make directory {}", settings.cwd()), &e)
            })?;
        drop(root);
        fresh_work(&work)?;
    }
    Ok(())
}

/// The layers, top-most first.
fn lowers(store: &Store, layers: &[Digest]) -> Vec<std::path::PathBuf> {
    layers.iter().rev().map(|d| store.layer_dir(d)).collect()
}

/// An overlay that was mounted `volatile` can't be mounted again with the same work directory.
fn fresh_work(work: &Path) -> Result<(), Failure> {
    let bad = |e: std::io::Error| BuildError::caused(work.display(), &e);
    if let (Some(parent), Some(name)) = (work.parent(), work.file_name()) {
        let fd = std::fs::File::open(parent).map_err(bad)?;
        kiln_tree::remove_all(std::os::fd::AsFd::as_fd(&fd), name).map_err(bad)?;
    }
    std::fs::DirBuilder::new()
        .mode(0o755)
        .create(work)
        .map_err(bad)?;
    Ok(())
}

/// Mounts a container's root file system. One that isn't kept needn't reach the disk.
pub(super) fn mount(
    store: &Store,
    dir: &Path,
    layers: &[Digest],
    volatile: bool,
) -> Result<std::os::fd::OwnedFd, Failure> {
    let (rw, work) = (dir.join("rw"), dir.join("work"));
    fresh_work(&work)?;
    let mut all = vec![dir.join("init")];
    all.extend(lowers(store, layers));
    for lower in &all {
        if !lower.is_dir() {
            return Err(
                BuildError::new(format!("{} is gone from the store", lower.display()))
                    .hint("the container can't be used any more: remove it")
                    .into(),
            );
        }
    }
    let overlay = Overlay {
        lowers: &all,
        upper: Some((&rw, &work)),
    };
    let mounted = match volatile {
        true => mount_overlay(&overlay),
        false => kiln_runtime::mount_overlay_durable(&overlay),
    };
    Ok(mounted.map_err(BuildError::from)?)
}

/// Makes the volumes, and fills those that are new with what the image has in their place.
fn volumes(store: &Store, root: &Root, settings: &Settings) -> Result<(), Failure> {
    for m in settings
        .mounts
        .iter()
        .filter(|m| m.kind == MountKind::Volume)
    {
        store.volume_put(&Volume {
            name: m.source.clone(),
            created: jiff::Timestamp::now().to_string(),
            anonymous: m.anonymous,
            labels: BTreeMap::new(),
        })?;
        let dir = store.volume_dir(&m.source);
        let bad = |e: std::io::Error| BuildError::caused(dir.display(), &e);
        let is_empty = std::fs::read_dir(&dir).map_err(bad)?.next().is_none();
        if m.no_copy || !is_empty {
            continue;
        }
        let Ok(source) = root.open_dir(Path::new(&m.target)) else {
            continue;
        };
        let meta = kiln_tree::meta_of(std::os::fd::AsFd::as_fd(&source)).map_err(bad)?;
        copy_tree(&source, &dir)?;
        std::os::unix::fs::chown(&dir, Some(meta.uid), Some(meta.gid)).map_err(bad)?;
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(meta.mode)).map_err(bad)?;
    }
    Ok(())
}

/// Copies what is in one directory into another one, with owners, modes, times and attributes.
pub(super) fn copy_tree(source: &impl std::os::fd::AsFd, dest: &Path) -> Result<(), BuildError> {
    let bad = |e: std::io::Error| BuildError::caused(dest.display(), &e);
    let into = std::fs::File::open(dest).map_err(bad)?;
    let (reader, writer) = std::io::pipe().map_err(bad)?;
    std::thread::scope(|s| {
        let source = source.as_fd();
        let producer = s.spawn(move || write_dir(source, writer));
        let options = ApplyOptions {
            whiteouts: Whiteouts::Overlay,
            limits: Limits {
                entries: u64::MAX,
                bytes: u64::MAX,
                ..Limits::default()
            },
            ids: Ids::Keep,
        };
        let applied = apply(
            std::io::BufReader::with_capacity(1 << 18, reader),
            std::os::fd::AsFd::as_fd(&into),
            &options,
        );
        let produced = producer
            .join()
            .map_err(|_| BuildError::new("copying the files failed"))?;
        applied?;
        produced?;
        Ok(())
    })
}
