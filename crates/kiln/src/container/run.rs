//! `run`, `create`, `start`, `attach`.

use std::io::IsTerminal;

use anyhow::{Context as _, Result, bail};
use kiln_build::{Fetch, Silent};
use kiln_engine::containers::{self, Failure, find};
use kiln_engine::pull::BaseImages;
use kiln_engine::registry::Registries;
use kiln_oci::Reference;
use kiln_runtime::monitor::{Attach, Status};
use kiln_store::{Store, StoreError};

use super::args::{AttachArgs, CreateArgs, RunArgs, StartArgs};
use super::attach::{End, How, stay, watch};
use super::flags::request;
use super::terminal::size;
use super::{complain, ends_with};
use crate::exit::Exit;
use crate::format::harmless;
use crate::transfer::platform;

/// Makes the container; errors end with docker's code.
fn make(store: &Store, a: &CreateArgs, detach: bool, quiet: bool) -> Result<String> {
    let made = (|| -> Result<String> {
        if a.cidfile.as_ref().is_some_and(|file| file.exists()) {
            let file = a.cidfile.as_ref().map(|f| f.display().to_string());
            bail!(
                "Container ID file found, make sure the other container isn't running or delete {}",
                file.unwrap_or_default()
            );
        }
        let request = request(a, detach)?;
        bring(store, &request.image, a, quiet)?;
        let id = containers::create(store, &request)?;
        for text in containers::warnings(&find(store, &id)?.settings, a.platform.is_some()) {
            eprintln!("WARNING: {}", harmless(&text));
        }
        if let Some(file) = &a.cidfile {
            std::fs::write(file, &id).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(id)
    })();
    made.map_err(|e| match e.downcast::<Failure>() {
        Ok(failure) => ends_with(failure),
        Err(e) => {
            complain(&format!("{e:#}"));
            Exit::quiet(125).into()
        }
    })
}

/// Sees to it that the image is in the store.
fn bring(store: &Store, name: &str, a: &CreateArgs, quiet: bool) -> Result<()> {
    let platform = platform(a.platform.as_deref())?;
    let there = match store.resolve(name) {
        Ok(id) => Some(id),
        Err(StoreError::NotFound { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let other = |config: &kiln_oci::ImageConfig| {
        a.platform.is_some()
            && (config.architecture != platform.architecture || config.os != platform.os)
    };
    let fits = match there {
        Some(id) => match store.image(&id)? {
            Some(image) => !other(&kiln_oci::ImageConfig::from_json(&image.config_json)?),
            None => false,
        },
        None => false,
    };
    let reference = Reference::parse(name)?.with_default_tag();
    match (a.pull.as_str(), fits) {
        ("missing" | "never", true) => return Ok(()),
        ("never", false) => {
            return Err(StoreError::NotFound {
                name: reference.familiar(),
            }
            .into());
        }
        ("missing" | "always", _) => {}
        (other, _) => {
            bail!("invalid pull option: '{other}': must be one of 'always', 'missing' or 'never'")
        }
    }
    if there.is_none() && !quiet {
        eprintln!("Unable to find image '{}' locally", reference.familiar());
    }
    let registries = Registries::new();
    let images = BaseImages {
        store,
        registries: &registries,
        progress: &Silent,
    };
    Ok(images.fetch(&reference, &platform)?)
}

/// `kiln create`
pub fn create(store: &Store, a: &CreateArgs) -> Result<()> {
    println!("{}", make(store, a, false, false)?);
    Ok(())
}

/// `kiln run`
pub fn run(store: &Store, a: &RunArgs) -> Result<()> {
    let c = &a.create;
    if c.tty && c.interactive && !a.detach && !std::io::stdin().is_terminal() {
        complain(&"the input device is not a TTY");
        return Err(Exit::quiet(125).into());
    }
    let id = make(store, c, a.detach, a.quiet)?;
    let request = find(store, &id)?.settings;
    let signals = match a.detach {
        true => None,
        false => Some(watch(a.sig_proxy && !c.tty)?),
    };
    let (stdin, stdout, stderr) = request.attach;
    let attach = (!a.detach).then_some(Attach {
        stdin,
        stdout,
        stderr,
    });
    let connection = match containers::start(store, &id, attach, size()) {
        Ok(Some(connection)) => connection,
        Ok(None) => bail!("container {id} is running already"),
        Err(e) => {
            if c.rm {
                let _ = containers::remove(store, &id, true, true);
            }
            return Err(ends_with(e));
        }
    };
    if a.detach {
        println!("{id}");
        return Ok(());
    }
    let how = How {
        stdin,
        tty: c.tty,
        signals: a.sig_proxy && !c.tty,
    };
    finish(
        store,
        &id,
        stay(connection, &store.container_dir(&id), how, signals)?,
    )
}

/// Ends as the container did.
fn finish(store: &Store, id: &str, end: End) -> Result<()> {
    let code = match end {
        End::Exited(code) => code,
        End::Detached => {
            eprintln!("read escape sequence");
            return Ok(());
        }
        // Somebody killed the monitor, and the container with it.
        End::Gone => find(store, id).map_or(137, |c| c.state.exit_code),
    };
    match code {
        0 => Ok(()),
        code => Err(Exit::quiet(u8::try_from(code).unwrap_or(255)).into()),
    }
}

/// `kiln start`
pub fn start(store: &Store, a: &StartArgs) -> Result<()> {
    if !a.attach && !a.interactive {
        let mut failed = false;
        for name in &a.containers {
            match containers::start(store, name, None, None) {
                Ok(_) => println!("{name}"),
                Err(e) => {
                    complain(&e);
                    failed = true;
                }
            }
        }
        if failed {
            complain(&format!(
                "failed to start containers: {}",
                a.containers.join(", ")
            ));
            return Err(Exit::quiet(1).into());
        }
        return Ok(());
    }
    let [name] = a.containers.as_slice() else {
        bail!("you cannot start and attach multiple containers at once");
    };
    let container = find(store, name)?;
    let (id, tty) = (container.record.id.clone(), container.settings.tty);
    let stdin = a.interactive && container.settings.open_stdin;
    let wanted = Attach {
        stdin,
        stdout: true,
        stderr: true,
    };
    let signals = watch(!tty)?;
    let connection = match containers::start(store, &id, Some(wanted.clone()), size()) {
        Ok(Some(connection)) => connection,
        Ok(None) => {
            let connection = find(store, &id)?.connect(store)?;
            connection.attach(&wanted)?;
            connection
        }
        Err(e) => {
            complain(&e);
            return Err(Exit::quiet(if e.code == 125 { 1 } else { e.code }).into());
        }
    };
    let how = How {
        stdin,
        tty,
        signals: !tty,
    };
    let dir = store.container_dir(&id);
    finish(store, &id, stay(connection, &dir, how, Some(signals))?)
}

/// `kiln attach`
pub fn attach(store: &Store, a: &AttachArgs) -> Result<()> {
    let container = find(store, &a.container)?;
    match container.state.status {
        Status::Running => {}
        Status::Paused => bail!("You cannot attach to a paused container, unpause it first"),
        _ => bail!("You cannot attach to a stopped container, start it first"),
    }
    let settings = &container.settings;
    let stdin = settings.open_stdin && !a.no_stdin;
    if settings.tty && stdin && !std::io::stdin().is_terminal() {
        bail!("the input device is not a TTY");
    }
    let connection = container.connect(store)?;
    connection.attach(&Attach {
        stdin,
        stdout: true,
        stderr: true,
    })?;
    let how = How {
        stdin,
        tty: settings.tty,
        signals: a.sig_proxy && !settings.tty,
    };
    let (id, dir) = (
        &container.record.id,
        store.container_dir(&container.record.id),
    );
    finish(
        store,
        id,
        stay(connection, &dir, how, Some(watch(how.signals)?))?,
    )
}
