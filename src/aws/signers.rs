//! Which access keys sign, those included of which the SDK says nothing: where a profile names a role, the SDK assumes it with the key of
//! another profile and shows the session alone. Whoever switched that key off could not sign in again. So it is read from what goes over
//! the wire, where each request names the key that it is signed with.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::key::AccessKeyId;

/// Keys that signed, shared by everybody who has a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Signers(Arc<Mutex<BTreeSet<AccessKeyId>>>);

impl Signers {
    /// So far.
    pub(super) fn all(&self) -> BTreeSet<AccessKeyId> {
        self.0.lock().map(|ids| ids.clone()).unwrap_or_default()
    }

    /// Adds one.
    pub(super) fn extend(&self, id: Option<AccessKeyId>) {
        if let Ok(mut ids) = self.0.lock() {
            ids.extend(id);
        }
    }

    /// The same HTTP client, looked at.
    pub(super) fn watch(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Watched { inner, signers: self.clone() })
    }
}

#[derive(Debug)]
struct Watched<T> {
    inner: T,
    signers: Signers,
}

impl HttpClient for Watched<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Watched { inner, signers: self.signers.clone() })
    }
}

impl HttpConnector for Watched<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.signers.extend(request.headers().get("authorization").and_then(signer));
        self.inner.call(request)
    }
}

/// The key of `AWS4-HMAC-SHA256 Credential=AKIA…/20261130/us-east-1/sts/aws4_request, SignedHeaders=…`.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>
fn signer(authorization: &str) -> Option<AccessKeyId> {
    let (_, rest) = authorization.split_once("Credential=")?;
    AccessKeyId::shaped(rest.split_once('/')?.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_its_key() {
        let id = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let signed =
            format!("AWS4-HMAC-SHA256 Credential={id}/20261130/us-east-1/sts/aws4_request, SignedHeaders=host");
        assert_eq!(signer(&signed), AccessKeyId::shaped(id.as_bytes()));
        for other in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=x/y", &id] {
            assert_eq!(signer(other), None, "{other}");
        }
    }
}
