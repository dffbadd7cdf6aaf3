//! The certificates of a replayed mesh, in files that Envoy reads instead of asking istio-agent (SDS): a root, and for each identity
//! a certificate with its SPIFFE id. Made by openssl.

use crate::discovery::Discovered;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// An authority that certifies identities.
pub(super) struct Authority {
    directory: TempDir,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// If there is no openssl.
    pub(super) fn new() -> Result<Self> {
        let authority = Self { directory: tempfile::tempdir()? };
        let root = ["req", "-x509", "-noenc", "-days", "2", "-subj", "/O=replayed", "-out", "root.pem"];
        authority.openssl(&[&root[..], &NEW_KEY, &["-keyout", "root-key.pem"]].concat())?;
        Ok(authority)
    }

    /// Writes what Envoy wants to know of itself and of others: the secrets `default` and `ROOTCA`.
    ///
    /// # Errors
    /// If openssl fails or a file cannot be written.
    pub(super) fn certify(&self, spiffe_id: &str, directory: &Path) -> Result<Secrets> {
        let number = fs::read_dir(self.directory.path())?.count();
        let (key, certificate) = (format!("{number}-key.pem"), format!("{number}.pem"));
        let name = format!("subjectAltName=critical,URI:{spiffe_id}");
        let leaf = ["req", "-x509", "-noenc", "-days", "1", "-subj", "/", "-out", &certificate, "-keyout", &key];
        let signed = ["-CA", "root.pem", "-CAkey", "root-key.pem", "-addext", &name];
        self.openssl(&[&leaf[..], &NEW_KEY, &signed, &["-addext", "basicConstraints=critical,CA:false"]].concat())?;
        let text = |file: &str| fs::read_to_string(self.directory.path().join(file));
        let certified = json!({"tls_certificate": {
            "certificate_chain": {"inline_string": text(&certificate)?},
            "private_key": {"inline_string": text(&key)?},
        }});
        let trusted = json!({"validation_context": {"trusted_ca": {"inline_string": text("root.pem")?}}});
        let secrets = Secrets { directory: directory.to_owned() };
        for (name, mut secret) in [("default", certified), ("ROOTCA", trusted)] {
            secret["@type"] = SECRET.into();
            secret["name"] = name.into();
            Discovered::in_file(secrets.file(name)).publish(&[secret])?;
        }
        Ok(secrets)
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(self.directory.path()).output();
        let output = output.context("openssl")?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

const NEW_KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// The secrets of one proxy.
pub(super) struct Secrets {
    directory: PathBuf,
}

impl Secrets {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("secret-{name}.json"))
    }

    /// Wherever `value` would ask istio-agent for a secret, the file is named instead.
    ///
    /// # Errors
    /// If it asks for one that is not there.
    pub(super) fn in_place_of_agent(&self, value: &mut Value) -> Result<()> {
        if let (Some(name), true) = (value["name"].as_str(), value["sds_config"].is_object()) {
            let file = self.file(name);
            ensure!(file.exists(), "there is no secret {name}");
            value["sds_config"] = Discovered::in_file(file).source();
        }
        match value {
            Value::Object(fields) => fields.values_mut().try_for_each(|it| self.in_place_of_agent(it)),
            Value::Array(items) => items.iter_mut().try_for_each(|it| self.in_place_of_agent(it)),
            _ => Ok(()),
        }
    }
}
