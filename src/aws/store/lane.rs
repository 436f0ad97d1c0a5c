//! A way to S3 that one thread has for itself. Who looks at much takes it from the network himself: to have it handed over by another thread
//! costs as much as to look at it, for by then it is in another processor's cache.

use std::future::Future;

use aws_sdk_s3::Client;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::runtime::{Builder, Runtime};

use super::{Bucket, No, StoreError};
use crate::aws::connect::http;

/// Connections that bytes come by only while their thread waits for some: [`Bucket::by`] leads over them.
pub struct Lane {
    runtime: Runtime,
    http: SharedHttpClient,
}

impl Lane {
    /// One without a connection yet.
    ///
    /// # Errors
    /// When the system has no more of what it takes.
    pub fn new() -> Result<Self, StoreError> {
        let failed = |error| StoreError {
            kind: No::Failed,
            code: Box::default(),
            why: format!("starting to talk to the network failed: {error}"),
            permission: None,
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        // One object is read at a time, and something of it asked for beside.
        Ok(Self { runtime, http: http(Some(2)) })
    }

    /// Waits for what a bucket of [`Bucket::by`] promised. Not to be called on a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Bucket {
    /// The same bucket, whose answers come by this lane and only to who waits there for them.
    pub fn by(&self, lane: &Lane) -> Self {
        Self { lane: Some(lane.http.clone()), ..self.clone() }
    }

    /// A client that uses the bucket's lane, if it has one.
    pub(super) fn client(&self, client: Client) -> Client {
        match &self.lane {
            None => client,
            Some(http) => Client::from_conf(client.config().to_builder().http_client(http.clone()).build()),
        }
    }
}
