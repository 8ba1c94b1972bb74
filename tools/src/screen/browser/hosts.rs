//! What a browser may reach: hosts by name, files by folder.
//!
//! The same rules are used three times: before an address is opened, on every request that the browser
//! makes, and as the browser's own name resolution, which is the wall behind the other two.

use std::path::PathBuf;

use url::{Host, Url};

use crate::ScreenError;

/// The hosts and the folder that pages may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    hosts: Vec<HostPattern>,
    folder: Option<PathBuf>,
}

/// A host by name, with a port perhaps: `example.org`, `*.example.org`, `127.0.0.1:8080`, or `*` for any; an entry of
/// [`BrowserOptions::hosts`](super::BrowserOptions::hosts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// A host, `*.` and a domain, or `*`; in lower case.
    name: String,
    /// Any port, if none is named.
    port: Option<u16>,
}

impl Reach {
    /// The hosts as written, and the folder (canonical) whose files may be read.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] for an entry that is no host.
    pub(super) fn new(hosts: &[String], folder: Option<PathBuf>) -> Result<Self, ScreenError> {
        let hosts = hosts.iter().map(|host| HostPattern::read(host)).collect::<Result<_, _>>()?;
        Ok(Self { hosts, folder })
    }

    /// Why an address is out of reach, in words for a reader of the screenshot; `Ok` if it isn't.
    pub(super) fn check(&self, url: &Url) -> Result<(), String> {
        match url.scheme() {
            // These name nothing outside the page that holds them.
            "about" | "data" | "blob" => Ok(()),
            "http" | "https" | "ws" | "wss" => self.check_host(url),
            "file" => self.check_file(url),
            other => Err(format!("`{other}:` addresses are not allowed")),
        }
    }

    fn check_host(&self, url: &Url) -> Result<(), String> {
        let name = url.host_str().unwrap_or_default();
        if self.hosts.iter().any(|pattern| pattern.covers(name, url.port_or_known_default())) {
            return Ok(());
        }
        let shown = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        if self.hosts.is_empty() {
            return Err(format!("{shown} is not an allowed host: none is"));
        }
        let allowed: Vec<String> = self.hosts.iter().map(HostPattern::written).collect();
        Err(format!("{shown} is not an allowed host (allowed: {})", allowed.join(", ")))
    }

    fn check_file(&self, url: &Url) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Err("local files are not allowed".into());
        };
        let inside = url.to_file_path().is_ok_and(|path| {
            // A link inside the folder may lead out of it. What doesn't exist can't be read either.
            path.canonicalize().unwrap_or(path).starts_with(folder)
        });
        if inside { Ok(()) } else { Err(format!("{} is outside {}", url.path(), folder.display())) }
    }

    /// The rules as Chromium's `--host-resolver-rules`. They hold for everything that the browser does: web
    /// sockets and shared workers, which are not asked about, and its own services.
    ///
    /// The resolver knows no ports to keep out, but it can be told one to go to: a host that is allowed at one
    /// port is at that port whatever a page asks for. With two ports of one host, or a port behind `*.`, the
    /// other ports are kept out by the questions before requests alone.
    pub(super) fn resolver_rules(&self) -> String {
        let mut rules = Vec::new();
        for HostPattern { name, port } in &self.hosts {
            let others = self.hosts.iter().filter(|other| other.name == *name).count() > 1;
            match port {
                Some(port) if !others && !name.contains('*') => {
                    rules.push(format!("MAP {name} {name}:{port}"));
                }
                _ => rules.push(format!("EXCLUDE {name}")),
            }
        }
        // The first rule that fits holds.
        rules.push("MAP * ~NOTFOUND".into());
        rules.join(", ")
    }
}

impl HostPattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] for what is no host.
    pub fn read(written: &str) -> Result<Self, ScreenError> {
        let refused = |why: &str| ScreenError::Refused {
            reason: format!(
                "`{written}` can't be an allowed host: {why}; write `example.org`, `*.example.org` or `127.0.0.1:8080`"
            ),
        };
        // A dot at the end names the same host.
        let lower = written.trim().trim_end_matches('.').to_ascii_lowercase();
        if lower.contains("://") || lower.contains('/') {
            return Err(refused("it is an address"));
        }
        let (name, port) = match lower.rsplit_once(':') {
            // An IPv6 address has colons of its own, and so stands in brackets.
            Some((name, port)) if !port.contains(']') => {
                (name, Some(port.parse().map_err(|_| refused("its port is no number"))?))
            }
            _ => (lower.as_str(), None),
        };
        let bare = name.strip_prefix("*.").unwrap_or(name);
        if name != "*" && (bare.is_empty() || bare.contains('*') || Host::parse(bare).is_err()) {
            return Err(refused("it is no host name"));
        }
        Ok(Self { name: name.into(), port })
    }

    /// Whether it means this host at this port.
    pub fn covers(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let by_name = match self.name.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => host == self.name,
        };
        by_name && (self.port.is_none() || self.port == port)
    }

    fn written(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], url: &str, expected: Result<(), &str>) {
        let hosts: Vec<String> = hosts.iter().map(|&h| h.to_owned()).collect();
        let reach = Reach::new(&hosts, None).unwrap();
        let found = reach.check(&Url::parse(url).unwrap());
        assert_eq!(found, expected.map_err(str::to_owned), "{url} with {hosts:?}");
    }

    #[test]
    fn an_address_is_within_reach_only_if_its_host_is_named() {
        check(&[], "about:blank", Ok(()));
        check(&[], "data:text/html,hello", Ok(()));
        check(&[], "https://example.org/", Err("example.org is not an allowed host: none is"));
        check(&["example.org"], "https://example.org/a?b", Ok(()));
        check(&["*.example.org"], "https://www.example.org./", Ok(()));
        check(&["Example.ORG"], "http://example.org:8080/", Ok(()));
        check(
            &["example.org"],
            "https://www.example.org/",
            Err("www.example.org is not an allowed host (allowed: example.org)"),
        );
        check(&["*.example.org"], "https://www.example.org/", Ok(()));
        check(
            &["*.example.org"],
            "https://badexample.org/",
            Err("badexample.org is not an allowed host (allowed: *.example.org)"),
        );
        check(&["127.0.0.1:80"], "http://127.0.0.1/", Ok(()));
        check(
            &["127.0.0.1:80"],
            "http://127.0.0.1:81/",
            Err("127.0.0.1:81 is not an allowed host (allowed: 127.0.0.1:80)"),
        );
        check(&["[::1]:80"], "http://[::1]/", Ok(()));
        check(&["*"], "https://anything.example/", Ok(()));
        check(
            &["example.org"],
            "https://example.org@evil.example/",
            Err("evil.example is not an allowed host (allowed: example.org)"),
        );
        check(&["*"], "chrome://crash", Err("`chrome:` addresses are not allowed"));
        check(&["*"], "file:///etc/passwd", Err("local files are not allowed"));
    }

    #[test]
    fn the_resolver_finds_the_allowed_hosts_at_their_ports_and_no_others() {
        let cases: [(&[&str], &str); 5] = [
            (&[], "MAP * ~NOTFOUND"),
            (&["example.org"], "EXCLUDE example.org, MAP * ~NOTFOUND"),
            (&["127.0.0.1:80"], "MAP 127.0.0.1 127.0.0.1:80, MAP * ~NOTFOUND"),
            (&["a.org:1", "a.org:2"], "EXCLUDE a.org, EXCLUDE a.org, MAP * ~NOTFOUND"),
            (&["*.a.org:1"], "EXCLUDE *.a.org, MAP * ~NOTFOUND"),
        ];
        for (hosts, expected) in cases {
            let hosts: Vec<String> = hosts.iter().map(|&h| h.to_owned()).collect();
            assert_eq!(Reach::new(&hosts, None).unwrap().resolver_rules(), expected);
        }
    }

    #[test]
    fn an_entry_that_is_no_host_is_refused_with_what_to_write() {
        for written in
            ["https://example.org", "example.org/path", "", "exa mple", "a.*.b", "example.org:http"]
        {
            let error = Reach::new(&[written.to_owned()], None).unwrap_err().to_string();
            assert!(error.contains("can't be an allowed host") && error.contains("*.example.org"), "{error}");
        }
    }

    #[test]
    fn a_file_is_within_reach_only_in_the_folder_even_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret.txt");
        std::fs::write(&secret, "secret").unwrap();
        let inside = tempfile::tempdir().unwrap();
        let folder = inside.path().canonicalize().unwrap();
        std::fs::write(folder.join("page.html"), "").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&secret, folder.join("link.txt")).unwrap();
        let reach = Reach::new(&[], Some(folder.clone())).unwrap();
        let cases =
            [("page.html", true), ("missing.png", true), ("../secret.txt", false), ("link.txt", false)];
        for (name, within) in cases {
            let url = Url::from_directory_path(&folder).unwrap().join(name).unwrap();
            assert_eq!(reach.check(&url).is_ok(), within, "{url}");
        }
    }
}
