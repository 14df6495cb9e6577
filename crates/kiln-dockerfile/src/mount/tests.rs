#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{Kind, parse};

struct Vars;

impl Env for Vars {
    fn get(&self, name: &str) -> Option<String> {
        match name {
            "DIR" => Some("/var/x".to_owned()),
            "MODE" => Some("locked".to_owned()),
            _ => None,
        }
    }
}

fn flag_of(line: &str) -> Flag {
    let file = parse(format!("FROM a\n{line}\n").as_bytes()).unwrap();
    let Kind::Run { flags, .. } = &file.instructions[1].kind else {
        panic!("{line} is no RUN");
    };
    flags[0].clone()
}

fn mount(options: &str) -> Result<Mount, ParseError> {
    parse_mount(
        &flag_of(&format!("RUN --mount={options} true")),
        '\\',
        &Vars,
    )
}

fn refused(options: &str) -> String {
    mount(options).unwrap_err().to_string()
}

#[test]
fn bind() {
    let plain = BindMount {
        target: "/x".to_owned(),
        source: String::new(),
        from: None,
        writable: false,
    };
    for same in [
        "target=/x",
        "type=bind,dst=/x",
        "TYPE=BIND,destination=/x,ro",
        "dst=/x,rw=false",
    ] {
        assert_eq!(mount(same).unwrap(), Mount::Bind(plain.clone()), "{same}");
    }
    assert!(mount("target=.").is_ok());
    let all = mount("from=base,src=a/b,target=$DIR/y,readwrite").unwrap();
    let wanted = BindMount {
        target: "/var/x/y".to_owned(),
        source: "a/b".to_owned(),
        from: Some("base".to_owned()),
        writable: true,
    };
    assert_eq!(all, Mount::Bind(wanted));
}

#[test]
fn cache() {
    let all =
        mount("type=cache,id=i,target=/c,from=b,source=/s,sharing=$MODE,mode=0700,uid=1,gid=2,ro");
    let wanted = CacheMount {
        target: "/c".to_owned(),
        id: Some("i".to_owned()),
        from: Some("b".to_owned()),
        source: "/s".to_owned(),
        sharing: Sharing::Locked,
        read_only: true,
        look: Look {
            uid: Some(1),
            gid: Some(2),
            mode: Some(0o700),
        },
    };
    assert_eq!(all.unwrap(), Mount::Cache(wanted));
    let Mount::Cache(short) = mount("type=cache,target=c").unwrap() else {
        panic!("not a cache");
    };
    assert_eq!((short.sharing, short.read_only), (Sharing::Shared, false));
    assert!(refused("type=cache,target=/c,source=x").contains("needs from"));
    assert!(refused("type=cache,target=/c,sharing=all").contains("shared, private or locked"));
}

#[test]
fn tmpfs() {
    let size = |text: &str| match mount(&format!("type=tmpfs,target=/t,size={text}")) {
        Ok(Mount::Tmpfs(t)) => t.size,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(size("64m"), Some(64 << 20));
    assert_eq!(size("1.5GiB"), Some(3 << 29));
    assert_eq!(size("4096"), Some(4096));
    assert_eq!(size("10kb"), Some(10240));
    assert_eq!(size("0"), None);
    for bad in ["", "x", "1x", "-1", "1e30g", "nan", "m"] {
        assert!(
            refused(&format!("type=tmpfs,target=/t,size={bad}")).contains("invalid value"),
            "{bad}"
        );
    }
}

#[test]
fn secret() {
    let secret = |options: &str| match mount(options) {
        Ok(Mount::Secret(s)) => (s.id, s.target, s.env),
        other => panic!("{options}: {other:?}"),
    };
    let some = |t: &str| Some(t.to_owned());
    assert_eq!(
        secret("type=secret,id=a"),
        ("a".into(), some("/run/secrets/a"), None)
    );
    assert_eq!(
        secret("type=secret,src=d/a"),
        ("d/a".into(), some("/run/secrets/a"), None)
    );
    assert_eq!(
        secret("type=secret,target=/x/y"),
        ("y".into(), some("/x/y"), None)
    );
    assert_eq!(
        secret("type=secret,id=a,env=A"),
        ("a".into(), None, some("A"))
    );
    assert_eq!(
        secret("type=secret,id=a,env=A,dst=/f"),
        ("a".into(), some("/f"), some("A"))
    );
    assert!(refused("type=secret").contains("names no secret"));
    assert!(refused("type=secret,id=a,source=b").contains("both"));
    assert!(refused("type=secret,id=a,sharing=locked").contains("not for type=secret"));
    assert!(matches!(mount("required,type=secret,id=a"), Ok(Mount::Secret(s)) if s.required));
}

#[test]
fn ssh() {
    assert!(matches!(mount("type=ssh"), Ok(Mount::Ssh(s)) if s.id == "default" && !s.required));
    assert!(matches!(mount("type=ssh,id=k,required=1,mode=666"),
        Ok(Mount::Ssh(s)) if s.id == "k" && s.required && s.look.mode == Some(0o666)));
    assert!(refused("type=ssh,source=x").contains("not for type=ssh"));
}

#[test]
fn mistakes_are_placed() {
    assert_eq!(
        refused("type=cache,taget=/x"),
        "2:24: unknown mount option \"taget\" (did you mean target?)"
    );
    assert_eq!(
        refused("type=chache,target=/x"),
        "2:13: unsupported mount type \"chache\" (did you mean cache?)"
    );
    let far = parse_mount(
        &flag_of("RUN --mount=type=bind,\\\n  nope=/x true"),
        '\\',
        &Vars,
    );
    assert_eq!(far.unwrap_err().span.start.line, 2);
    for bad in [
        "type=bind",
        "target=/",
        "target=/a/..",
        "target=",
        "type=tmpfs,target=/x,required",
        "target=/x,ro=maybe",
        "target",
        "type=cache,target=/x,mode=999",
        "type=cache,target=/x,uid=root",
        "from=$A,target=/x",
        "target=/x,size=1",
        "target=/x,env=A",
        "target=/x,",
    ] {
        assert!(mount(bad).is_err(), "{bad}");
    }
}

#[test]
fn quotes() {
    let target = |options: &str| match mount(options) {
        Ok(Mount::Bind(b)) => b.target,
        other => panic!("{options}: {other:?}"),
    };
    assert_eq!(target("'target=/a b'"), "/a b");
    assert_eq!(target("target=\"/a b\",source=x"), "/a b");
    assert_eq!(target("\\\"target=/a,b\\\",source=x"), "/a,b");
}

#[test]
fn from_without_the_rest() {
    let from = |o: &str| mount_from(&flag_of(&format!("RUN --mount={o} x")), '\\');
    assert_eq!(
        from("type=bind,FROM=base,target=/x"),
        Some("base".to_owned())
    );
    assert_eq!(from("from=$x"), None);
    assert_eq!(from("target=/x"), None);
}

/// An option with a value that suits it, or something else.
fn option() -> impl Strategy<Value = String> {
    let keys = OPTIONS.map(|(k, _)| k).to_vec();
    let values = prop_oneof![
        Just("true".to_owned()),
        Just("/a/b".to_owned()),
        Just("0755".to_owned()),
        Just("cache".to_owned()),
        Just("secret".to_owned()),
        Just("$DIR".to_owned()),
        "[ -~]{0,8}",
        "\\PC{0,6}",
    ];
    (proptest::sample::select(keys), proptest::option::of(values)).prop_map(|(k, v)| match v {
        Some(v) => format!("{k}={v}"),
        None => k.to_owned(),
    })
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,60}") {
        let flag = Flag { name: "mount".into(), value: Some(text), span: Span::default() };
        let _ = (parse_mount(&flag, '\\', &Vars), mount_from(&flag, '`'));
    }

    #[test]
    fn what_is_accepted_is_whole(options in proptest::collection::vec(option(), 0..6)) {
        let flag = Flag { name: "mount".into(), value: Some(options.join(",")), span: Span::default() };
        match parse_mount(&flag, '\\', &Vars) {
            Ok(Mount::Bind(BindMount { target, .. }))
            | Ok(Mount::Cache(CacheMount { target, .. }))
            | Ok(Mount::Tmpfs(TmpfsMount { target, .. })) => {
                prop_assert!(!target.is_empty() && (!target.starts_with('/') || clean(&target) != "/"));
            }
            Ok(Mount::Secret(s)) => {
                prop_assert!(!s.id.is_empty() && (s.target.is_some() || s.env.is_some()));
            }
            Ok(Mount::Ssh(s)) => prop_assert!(!s.id.is_empty()),
            Err(e) => prop_assert!(!e.message.is_empty()),
        }
    }

    #[test]
    fn order_of_options_does_not_matter(at in 0usize..4) {
        let mut options = ["type=cache", "target=/x", "uid=5", "sharing=locked"];
        let same = mount(&options.join(",")).unwrap();
        options.rotate_left(at);
        prop_assert_eq!(mount(&options.join(",")).unwrap(), same);
    }
}
