//! `build`: flags to a request, signals to a cancellation, the result to where it was wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use kiln_engine::BuildError;
use kiln_engine::build::{Request, build};
use kiln_engine::pull::BaseImages;
use kiln_engine::push::Packing;
use kiln_engine::registry::Registries;
use kiln_engine::save::{Archive, export_dir, export_tar, save};
use kiln_oci::{Platform, Reference};
use kiln_runtime::{Cancel, Network};
use kiln_store::Store;

use crate::args::{BuildArgs, CompressionArg, ExplainMode, ProgressMode};
use crate::call::{self, Call};
use crate::progress::screen;
use crate::remote::{packing, push_one};
use crate::secrets::{agents, secrets};
use crate::transfer::{source_date_epoch, write_file};
use crate::why::Listener;

/// One `--output`.
enum Output {
    Image,
    Local(PathBuf),
    Tar(Option<PathBuf>),
    Archive(Archive, Option<PathBuf>),
    Registry(Packing),
}

/// `kiln build`
pub fn run(store: &Store, mut a: BuildArgs) -> Result<()> {
    let mut tags = std::mem::take(&mut a.tag);
    let outputs = a
        .output
        .iter()
        .map(|o| parse_output(o, &mut tags))
        .collect::<Result<Vec<_>>>()?;
    let mut outputs = outputs;
    if a.push {
        outputs.push(Output::Registry(Packing::default()));
    }
    let pushes = outputs.iter().any(|o| matches!(o, Output::Registry(_)));
    if pushes && tags.is_empty() {
        bail!("tag is needed when pushing to registry: add -t REGISTRY/NAME");
    }
    let mode = if a.quiet {
        ProgressMode::Quiet
    } else {
        a.progress
    };
    let request = request(&a, &tags)?;
    let call = Call::of(&a)?;
    if call != Call::Build {
        return call::run(store, call, &request);
    }
    let screen = screen(mode);
    let cancel = Cancel::new();
    watch_signals(&cancel)?;
    let mut stdin = std::io::stdin();
    let registries = Registries::new();
    let bases = BaseImages {
        store,
        registries: &registries,
        progress: &*screen,
    };
    let listener = Listener::new(&*screen);
    let explain = a.explain.map(|form| match mode {
        ProgressMode::Rawjson => ExplainMode::Json,
        _ => form,
    });
    let built = match build(store, &request, &mut stdin, &bases, &listener, &cancel) {
        Ok(b) => b,
        Err(e) => {
            screen.finish();
            listener.explain(explain);
            return Err(report(e));
        }
    };
    let names: Vec<String> = request
        .tags
        .iter()
        .map(|t| t.clone().with_default_tag().canonical())
        .collect();
    screen.exported(&built.id.to_string(), &names);
    screen.finish();
    listener.explain(explain);
    let mut manifest = None;
    for o in &outputs {
        let layers = &built.image.rootfs.diff_ids;
        match o {
            Output::Image => {}
            Output::Registry(packing) => {
                for name in &request.tags {
                    let name = name.clone().with_default_tag();
                    // The result stands alone on standard output.
                    let pushed = push_one(store, &registries, &name, *packing, true)?;
                    eprintln!("pushed {} {}", name.familiar(), pushed.manifest.digest);
                    manifest = Some(pushed.manifest.digest);
                }
            }
            Output::Local(dir) => export_dir(store, layers, dir)?,
            Output::Tar(Some(p)) => write_file(p, |w| Ok(export_tar(store, layers, w)?))?,
            Output::Tar(None) => export_tar(store, layers, std::io::stdout().lock())?,
            Output::Archive(format, dest) => {
                let ids = if names.is_empty() {
                    vec![built.id.to_string()]
                } else {
                    names.clone()
                };
                match dest {
                    Some(p) => write_file(p, |w| Ok(save(store, &ids, *format, w)?))?,
                    None => save(store, &ids, *format, std::io::stdout().lock())?,
                }
            }
        }
    }
    if let Some(path) = &a.iidfile {
        std::fs::write(path, built.id.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &a.metadata_file {
        let mut data = serde_json::json!({
            "containerimage.config.digest": built.id.to_string(),
            "containerimage.digest": manifest.unwrap_or(built.id).to_string(),
        });
        if !names.is_empty() {
            data["image.name"] = names.join(",").into();
        }
        std::fs::write(path, serde_json::to_vec_pretty(&data)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if a.quiet {
        println!("{}", built.id);
    }
    Ok(())
}

/// Prints what belongs above the error line.
fn report(e: BuildError) -> anyhow::Error {
    if let Some(detail) = &e.detail {
        eprint!("{detail}");
    }
    e.into()
}

fn request(a: &BuildArgs, tags: &[String]) -> Result<Request> {
    let mut build_args = BTreeMap::new();
    for arg in &a.build_arg {
        match arg.split_once('=') {
            Some((k, v)) => build_args.insert(k.to_owned(), v.to_owned()),
            None => match std::env::var(arg) {
                Ok(v) => build_args.insert(arg.clone(), v),
                Err(_) => continue,
            },
        };
    }
    let epoch = source_date_epoch()?.or(a.reproducible.then_some(0));
    Ok(Request {
        context: a.context.clone(),
        file: a.file.clone(),
        tags: tags
            .iter()
            .map(|t| {
                Reference::parse(t).map_err(|e| {
                    anyhow::anyhow!("invalid argument {t:?} for \"-t, --tag\" flag: {e}")
                })
            })
            .collect::<Result<_>>()?,
        target: a.target.clone().filter(|t| !t.is_empty()),
        build_args,
        labels: a
            .label
            .iter()
            .map(|l| {
                let (k, v) = l.split_once('=').unwrap_or((l, ""));
                (k.to_owned(), v.to_owned())
            })
            .collect(),
        pull: a.pull,
        no_cache: a.no_cache,
        no_cache_filter: a.no_cache_filter.clone(),
        platform: match &a.platform {
            Some(p) => p.parse()?,
            None => Platform::host(),
        },
        network: match a.network.as_str() {
            "default" | "host" => Network::Host,
            "none" => Network::None,
            other => bail!("--network={other}: expected default, host or none"),
        },
        add_hosts: a
            .add_host
            .iter()
            .map(|h| parse_host(h))
            .collect::<Result<_>>()?,
        secrets: secrets(&a.secret)?,
        agents: agents(&a.ssh)?,
        source_date_epoch: epoch,
    })
}

fn parse_host(text: &str) -> Result<(String, String)> {
    let (host, ip) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .with_context(|| format!("bad format for add-host: {text:?}"))?;
    let bare = ip.trim_start_matches('[').trim_end_matches(']');
    let ip: std::net::IpAddr = if bare == "host-gateway" {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        bare.parse()
            .with_context(|| format!("invalid IP address in add-host: {ip:?}"))?
    };
    Ok((host.to_owned(), ip.to_string()))
}

fn parse_output(text: &str, tags: &mut Vec<String>) -> Result<Output> {
    if !text.contains('=') {
        return Ok(match text {
            "-" => Output::Tar(None),
            path => Output::Local(path.into()),
        });
    }
    let (mut kind, mut dest, mut push) = (None, None, false);
    let (mut compression, mut level) = (CompressionArg::Gzip, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("type", v)) => kind = Some(v),
            Some(("dest", v)) => dest = Some(v),
            Some(("name", v)) => tags.push(v.to_owned()),
            Some(("push", v)) => push = v == "true",
            Some(("compression", v)) => {
                let known = CompressionArg::from_str(v, true);
                compression =
                    known.map_err(|_| anyhow::anyhow!("--output: unknown compression {v:?}"))?;
            }
            Some(("compression-level", v)) => {
                let number = v.parse();
                level = Some(number.with_context(|| format!("--output: {part}"))?);
            }
            _ => bail!("--output: unknown option {part:?}"),
        }
    }
    let packing = packing(compression, level)?;
    let path = dest.filter(|d| *d != "-").map(PathBuf::from);
    match (kind, path) {
        (Some("image"), _) if push => Ok(Output::Registry(packing)),
        (Some("image"), _) => Ok(Output::Image),
        (Some("registry"), _) => Ok(Output::Registry(packing)),
        (Some("local"), Some(p)) => Ok(Output::Local(p)),
        (Some("local"), None) => bail!("--output type=local needs dest=DIRECTORY"),
        (Some("tar"), p) => Ok(Output::Tar(p)),
        (Some("docker"), p) => Ok(Output::Archive(Archive::Docker, p)),
        (Some("oci"), p) => Ok(Output::Archive(Archive::Oci, p)),
        (Some(other), _) => {
            bail!(
                "--output type={other} is not supported (local, tar, docker, oci, image, registry are)"
            )
        }
        (None, _) => bail!("--output: type is required"),
    }
}

/// The first Ctrl-C (or TERM) cancels the build, which then cleans up; a second one ends at once.
fn watch_signals(cancel: &Cancel) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("watching for signals")?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for (n, _) in signals.forever().enumerate() {
            if n > 0 {
                std::process::exit(1);
            }
            cancel.cancel();
        }
    });
    Ok(())
}
