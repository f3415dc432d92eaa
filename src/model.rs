//! The nouns: what the appliance talks about, without any machine.
//!
//! A value of these types is well formed. Whether it exists, is trusted or is
//! allowed is for `registry`, `trust` and `app` to say.

mod allowance;
mod asset_path;
mod attachment;
mod audit_event;
mod audit_filter;
mod audit_words;
mod byte_size;
mod capability;
mod clock;
mod content_coding;
mod content_hash;
mod egress_rule;
mod endpoint;
mod extension_name;
mod extension_version;
mod failing;
mod file_entry;
mod harmless;
mod host_field;
mod idempotency_key;
mod install;
mod manifest;
mod operator;
mod principal;
mod quarantine;
mod redaction;
mod removal;
mod scope;
mod secret;
mod secret_header;
mod setting_texts;
mod star_version;
mod store_facts;
mod stream_hasher;
mod tenant;
mod token;
mod trace_context;
mod trusted_key;
mod upload;
mod user_claims;

pub use allowance::Allowance;
pub use asset_path::{AssetPath, InvalidAssetPath};
pub use attachment::{Attachment, AttachmentKind, UnknownAttachmentKind};
pub use audit_event::{Actor, AuditAction, AuditEvent};
pub use audit_filter::{
    ActorFilter, AuditFilter, AuditReach, InvalidActorFilter, InvalidAuditTime,
    InvalidSubjectStart, SubjectStart, parse_audit_from, parse_audit_to,
};
pub use audit_words::UnknownAuditAction;
pub use byte_size::byte_size;
pub use capability::{Capability, UnknownCapability};
pub use clock::{Clock, SystemClock};
pub use content_coding::ContentCoding;
pub use content_hash::{ContentHash, InvalidContentHash};
pub use egress_rule::{EgressHost, EgressRule, InvalidEgressRule, Scheme};
pub use endpoint::{Endpoint, EndpointAuth, EndpointMethod, EndpointPath, InvalidEndpointPath};
pub use extension_name::{ExtensionName, InvalidExtensionName};
pub use extension_version::{ExtensionVersion, Signer, TargetWorld, UnknownWorld, offered_version};
pub use failing::Failing;
pub use file_entry::{FileDigest, FileEntry, media_type};
pub use harmless::escape;
pub use host_field::{HOST_FIELD_PREFIXES, HOST_FIELDS, is_host_field};
pub use idempotency_key::{IdempotencyKey, InvalidIdempotencyKey};
pub use install::{Install, InstallId, InstallLabels, PreviousVersion};
pub use manifest::{
    Manifest, ManifestProblem, ManifestProblems, ManifestWarning, ReadManifest, Stars, Ui, UiHook,
};
pub use operator::{Operator, OperatorName, Session};
pub use principal::Principal;
pub use quarantine::{Approval, Quarantined};
pub use redaction::{marked, places_of};
pub use removal::{Tombstone, Yank};
pub use scope::{InvalidScope, Scope, ScopeKind};
pub use secret::{InvalidExpiry, InvalidSecretName, SecretFacts, SecretName};
pub use secret_header::{BindingChange, InvalidSecretHeader, SecretBinding, SecretHeader};
pub use setting_texts::SettingTexts;
pub use star_version::{InvalidStarVersion, StarVersion};
pub use store_facts::{FactState, StoreCapability, StoreFact, StoreFacts};
pub use stream_hasher::StreamHasher;
pub use tenant::{InvalidTenantId, Tenant, TenantId};
pub use token::{Token, TokenId};
pub use trace_context::{
    IncomingTrace, InvalidTraceContext, InvalidTraceState, SpanId, TraceContext, TraceId,
    TraceState,
};
pub use trusted_key::{InvalidKeyId, KeyId, KeyStatus, NameGlob, TrustedKey};
pub use upload::{InvalidUploadId, Presigned, PresignedParts, Upload, UploadId};
pub use user_claims::{ClaimedUser, InvalidClaims, UserClaims};
