//! `stop`, `restart`, `kill`, `rm`, `wait`, `rename`, `pause`, `unpause`, `commit`, `prune`.

use anyhow::{Result, bail};
use kiln_engine::containers::{self, Commit, ContainerFilters, find, signal_number};
use kiln_oci::Reference;
use kiln_store::Store;

use super::args::{
    CommitArgs, KillArgs, NamesArgs, PruneContainersArgs, RenameArgs, RmArgs, StopArgs,
};
use super::each;
use crate::transfer::source_date_epoch;
use crate::units::exact_size;

/// `kiln stop`
pub fn stop(store: &Store, a: &StopArgs) -> Result<()> {
    each(&a.containers, |name| {
        containers::stop(store, name, a.time)?;
        println!("{name}");
        Ok(())
    })
}

/// `kiln restart`
pub fn restart(store: &Store, a: &StopArgs) -> Result<()> {
    each(&a.containers, |name| {
        // Its name may be the beginning of an id: the same one is meant twice.
        let id = find(store, name)?.record.id;
        containers::stop(store, &id, a.time)?;
        containers::start(store, &id, None, None)?;
        println!("{name}");
        Ok(())
    })
}

/// `kiln kill`
pub fn kill(store: &Store, a: &KillArgs) -> Result<()> {
    let Some(signal) = signal_number(&a.signal) else {
        bail!("Invalid signal: {}", a.signal);
    };
    each(&a.containers, |name| {
        containers::kill(store, name, signal)?;
        println!("{name}");
        Ok(())
    })
}

/// `kiln rm`
pub fn remove(store: &Store, a: &RmArgs) -> Result<()> {
    each(&a.containers, |name| {
        match containers::remove(store, name, a.force, a.volumes) {
            // As docker: what is to be gone by force may be gone already.
            Err(e) if a.force && e.error.message.starts_with("No such container") => {
                eprintln!("{e}");
                return Ok(());
            }
            other => other?,
        }
        println!("{name}");
        Ok(())
    })
}

/// `kiln wait`
pub fn wait(store: &Store, a: &NamesArgs) -> Result<()> {
    each(&a.containers, |name| {
        println!("{}", containers::wait(store, name)?);
        Ok(())
    })
}

/// `kiln rename`
pub fn rename(store: &Store, a: &RenameArgs) -> Result<()> {
    Ok(containers::rename(store, &a.container, &a.name)?)
}

/// `kiln pause`
pub fn pause(store: &Store, a: &NamesArgs) -> Result<()> {
    each(&a.containers, |name| {
        containers::pause(store, name)?;
        println!("{name}");
        Ok(())
    })
}

/// `kiln unpause`
pub fn unpause(store: &Store, a: &NamesArgs) -> Result<()> {
    each(&a.containers, |name| {
        containers::unpause(store, name)?;
        println!("{name}");
        Ok(())
    })
}

/// `kiln commit`
pub fn commit(store: &Store, a: &CommitArgs) -> Result<()> {
    let name = a.name.as_deref().map(Reference::parse).transpose()?;
    if let Some(name) = name.as_ref().filter(|n| n.digest().is_some()) {
        bail!("{name}: an image can't be given a digest as its name");
    }
    let what = Commit {
        name,
        author: a.author.clone(),
        message: a.message.clone(),
        changes: a.change.clone(),
        pause: a.pause,
        source_date_epoch: source_date_epoch()?,
    };
    let id = containers::commit(store, &a.container, &what)?;
    if !a.quiet {
        eprintln!(
            "WARNING: nobody can build this image again: what was done in the container is not \
             written down anywhere. A Dockerfile would be (--quiet keeps this still)"
        );
    }
    println!("{id}");
    Ok(())
}

/// `kiln container prune`
pub fn prune(store: &Store, a: &PruneContainersArgs) -> Result<()> {
    let mut filters = ContainerFilters::default();
    for filter in &a.filter {
        filters.add(filter)?;
    }
    let what = "WARNING! This will remove all stopped containers.\n";
    if !a.force && !crate::system::asked(what)? {
        return Ok(());
    }
    let mut bytes = 0;
    for row in containers::list(store, true, &filters, true)? {
        if !row.container.is_running() {
            bytes += row.size.map_or(0, |(own, _)| own);
        }
    }
    let gone = containers::prune(store, &filters)?;
    if !gone.is_empty() {
        println!("Deleted Containers:");
        for id in &gone {
            println!("{id}");
        }
        println!();
    }
    println!("Total reclaimed space: {}", exact_size(bytes));
    Ok(())
}
