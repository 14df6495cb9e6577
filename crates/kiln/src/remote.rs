//! `pull`, `push`, `login`, `logout`.

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context as _, Result, bail};
use kiln_engine::manifests;
use kiln_engine::pull::{pull as engine_pull, tags};
use kiln_engine::push::{Packing, Pushed, push as engine_push};
use kiln_engine::registry::{Credential, Registries, Secret};
use kiln_oci::Reference;
use kiln_store::Store;

use crate::args::{
    CompressionArg, LoginArgs, LogoutArgs, ManifestCreateArgs, ManifestPushArgs, ManifestRmArgs,
    PullArgs, PushArgs,
};
use crate::bars::transfer;
use crate::transfer::platform;

/// `kiln pull`
pub fn pull(store: &Store, a: &PullArgs) -> Result<()> {
    let name = Reference::parse(&a.name)?;
    let platform = platform(a.platform.as_deref())?;
    let registries = Registries::new();
    let shown = transfer(a.quiet);
    let names = if a.all_tags {
        if name.tag().is_some() || name.digest().is_some() {
            bail!("tag can't be used with --all-tags/-a");
        }
        tags(&registries, &name)?
            .iter()
            .map(|tag| {
                Ok(Reference::parse(&format!(
                    "{}:{tag}",
                    name.familiar_name()
                ))?)
            })
            .collect::<Result<Vec<_>>>()?
    } else {
        if name.tag().is_none() && name.digest().is_none() && !a.quiet {
            println!("Using default tag: latest");
        }
        vec![name.with_default_tag()]
    };
    for name in names {
        let target = name.tag().map_or_else(
            || name.digest().map(ToString::to_string).unwrap_or_default(),
            String::from,
        );
        shown.line(&format!("{target}: Pulling from {}", name.repository()));
        let pulled = engine_pull(store, &registries, &name, &platform, &*shown)?;
        shown.line(&format!("Digest: {}", pulled.digest));
        let status = if pulled.new {
            "Downloaded newer image"
        } else {
            "Image is up to date"
        };
        shown.line(&format!("Status: {status} for {}", name.familiar()));
        println!("{}", name.canonical());
    }
    Ok(())
}

/// The repository as docker shows it while pulling: without the registry.
/// `kiln push`
pub fn push(store: &Store, a: &PushArgs) -> Result<()> {
    let name = Reference::parse(&a.name)?;
    if name.digest().is_some() {
        bail!("{}: a digest can't be pushed to; name a tag", a.name);
    }
    let names = if a.all_tags {
        if name.tag().is_some() {
            bail!("tag can't be used with --all-tags/-a");
        }
        let own: Vec<Reference> = store.tags()?.into_iter().map(|(r, _)| r).collect();
        let own = own
            .into_iter()
            .filter(|r| r.familiar_name() == name.familiar_name());
        let own: Vec<Reference> = own.collect();
        if own.is_empty() {
            bail!("An image does not exist locally with the tag: {}", a.name);
        }
        own
    } else {
        if name.tag().is_none() && !a.quiet {
            println!("Using default tag: latest");
        }
        vec![name.with_default_tag()]
    };
    let registries = Registries::new();
    for name in names {
        let packing = packing(a.compression, a.compression_level)?;
        let pushed = push_one(store, &registries, &name, packing, a.quiet)?;
        if a.quiet {
            println!("{}", name.canonical());
        } else {
            println!(
                "{}: digest: {} size: {}",
                name.tag().unwrap_or_default(),
                pushed.manifest.digest,
                pushed.manifest.size
            );
        }
    }
    Ok(())
}

/// How layers are compressed; a level that the codec doesn't have is refused.
pub fn packing(compression: CompressionArg, level: Option<i32>) -> Result<Packing> {
    let levels = match compression {
        CompressionArg::Gzip => 0..=9,
        CompressionArg::Zstd => 1..=22,
        CompressionArg::None => 0..=0,
    };
    if let Some(level) = level.filter(|l| !levels.contains(l)) {
        let (first, last) = (levels.start(), levels.end());
        bail!("--compression-level={level}: this compression has the levels {first} to {last}");
    }
    Ok(Packing {
        compression: compression.into(),
        level,
    })
}

/// Pushes one name.
pub fn push_one(
    store: &Store,
    registries: &Registries,
    name: &Reference,
    packing: Packing,
    quiet: bool,
) -> Result<Pushed> {
    let shown = transfer(quiet);
    let repository = format!("{}/{}", name.registry(), name.repository());
    shown.line(&format!("The push refers to repository [{repository}]"));
    Ok(engine_push(store, registries, name, packing, &*shown)?)
}

/// `kiln manifest create`
pub fn create_list(store: &Store, a: &ManifestCreateArgs) -> Result<()> {
    let list = Reference::parse(&a.list)?.with_default_tag();
    let images = a
        .images
        .iter()
        .map(|i| Ok(Reference::parse(i)?.with_default_tag()))
        .collect::<Result<Vec<_>>>()?;
    manifests::create(store, &list, &images, a.amend)?;
    println!("Created manifest list {}", list.canonical());
    Ok(())
}

/// `kiln manifest push`
pub fn push_list(store: &Store, a: &ManifestPushArgs) -> Result<()> {
    let list = Reference::parse(&a.list)?.with_default_tag();
    let packing = packing(a.compression, a.compression_level)?;
    let shown = transfer(false);
    let digest = manifests::push_list(store, &Registries::new(), &list, packing, &*shown)?;
    if a.purge {
        manifests::remove(store, &list)?;
    }
    println!("{digest}");
    Ok(())
}

/// `kiln manifest rm`
pub fn remove_lists(store: &Store, a: &ManifestRmArgs) -> Result<()> {
    for list in &a.lists {
        manifests::remove(store, &Reference::parse(list)?.with_default_tag())?;
    }
    Ok(())
}

const DOCKER_HUB: &str = "docker.io";

/// `kiln login`
pub fn login(a: &LoginArgs) -> Result<()> {
    let registry = a.registry.as_deref().unwrap_or(DOCKER_HUB);
    let user = match &a.username {
        Some(user) => user.clone(),
        None => ask("Username: ", false)?,
    };
    let password = match (&a.password, a.password_stdin) {
        (Some(_), true) => bail!("--password and --password-stdin are mutually exclusive"),
        (Some(password), false) => {
            eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
            password.clone()
        }
        (None, true) => {
            let mut password = String::new();
            std::io::stdin()
                .take(1 << 16)
                .read_to_string(&mut password)
                .context("reading the password")?;
            password.trim_end_matches(['\r', '\n']).to_owned()
        }
        (None, false) => ask("Password: ", true)?,
    };
    let credential = Credential::Password {
        username: user,
        password: Secret::new(password),
    };
    Registries::new().login(registry, &credential)?;
    println!("Login Succeeded");
    Ok(())
}

/// Asks on the terminal; a password isn't shown.
fn ask(question: &str, hidden: bool) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "cannot perform an interactive login from a non TTY device; use --username and --password-stdin"
        );
    }
    if hidden {
        let term = console::Term::stderr();
        term.write_str(question)?;
        return Ok(term.read_secure_line()?);
    }
    print!("{question}");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// `kiln logout`
pub fn logout(a: &LogoutArgs) -> Result<()> {
    let registry = a.registry.as_deref().unwrap_or(DOCKER_HUB);
    if Registries::new().logout(registry)? {
        println!("Removing login credentials for {registry}");
    } else {
        println!("Not logged in to {registry}");
    }
    Ok(())
}
