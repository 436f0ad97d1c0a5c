//! A bare loop: lists a bucket as a stranger, gets every object with the SDK that keysweep uses, and drops the bytes. It is what `benches/sweep`
//! compares keysweep with; by itself it measures nothing.
//!
//!     AWS_ENDPOINT_URL_S3=http://127.0.0.1:8333 bare_get BUCKET REQUESTS_AT_ONCE

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of its own, for whoever measures"
)]

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [bucket, at_once] = arguments.as_slice() else {
        println!("bare_get is run by benches/sweep, with a bucket and how many requests may be under way");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (objects, bytes) = runtime.block_on(get_all(client(), bucket, at_once.parse().unwrap()));
    println!("{objects} objects, {bytes} bytes");
}

fn client() -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(std::env::var("AWS_ENDPOINT_URL_S3").unwrap())
        .allow_no_auth()
        .force_path_style(true)
        .retry_config(RetryConfig::standard())
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// Lists page by page and gets the objects of each page while the next is listed; how many they were, and their bytes.
async fn get_all(client: Client, bucket: &str, at_once: usize) -> (u64, u64) {
    let turns = Arc::new(Semaphore::new(at_once));
    let (mut tasks, mut objects, mut bytes) = (JoinSet::new(), 0, 0);
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents.unwrap_or_default() {
            objects += 1;
            let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
            let get = client.get_object().bucket(bucket).key(object.key.unwrap());
            tasks.spawn(async move {
                let mut body = get.send().await.unwrap().body;
                let mut length = 0;
                while let Some(chunk) = body.next().await {
                    length += chunk.unwrap().len() as u64;
                }
                drop(turn);
                length
            });
            while let Some(done) = tasks.try_join_next() {
                bytes += done.unwrap();
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        bytes += done.unwrap();
    }
    (objects, bytes)
}
