//! What the actions of the audit record are called: by machines and by people.

use std::{fmt, str::FromStr};

use super::AuditAction;

/// The text is no action of the audit record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action; one is for example `installed` or `sign_in_failed`")]
pub struct UnknownAuditAction(pub String);

impl AuditAction {
    /// Every action, in the order in which a person is offered them.
    pub const ALL: &'static [Self] = &[
        Self::SetupCompleted,
        Self::OperatorCreated,
        Self::PasswordReset,
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignedOut,
        Self::SteppedUp,
        Self::TokenCreated,
        Self::TokenRevoked,
        Self::TenantCreated,
        Self::KeyTrusted,
        Self::KeyRemoved,
        Self::BundlePublished,
        Self::BundleQuarantined,
        Self::BundleRejected,
        Self::BundleApproved,
        Self::BundleMended,
        Self::SignatureAttached,
        Self::QuarantineDeleted,
        Self::Attached,
        Self::Detached,
        Self::VersionYanked,
        Self::VersionUnyanked,
        Self::VersionRemoved,
        Self::Installed,
        Self::Enabled,
        Self::Disabled,
        Self::Upgraded,
        Self::SettingsChanged,
        Self::HostsGranted,
        Self::LearningStarted,
        Self::LearningEnded,
        Self::LearnedHostsGranted,
        Self::EgressDenied,
        Self::SecretSet,
        Self::SecretRemoved,
        Self::StateExported,
        Self::StateImported,
        Self::StatePurged,
        Self::Uninstalled,
        Self::MasterKeyRotated,
    ];

    /// The name on the wire and in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetupCompleted => "setup_completed",
            Self::OperatorCreated => "operator_created",
            Self::PasswordReset => "password_reset",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::SteppedUp => "stepped_up",
            Self::TokenCreated => "token_created",
            Self::TokenRevoked => "token_revoked",
            Self::TenantCreated => "tenant_created",
            Self::KeyTrusted => "key_trusted",
            Self::KeyRemoved => "key_removed",
            Self::BundlePublished => "bundle_published",
            Self::BundleQuarantined => "bundle_quarantined",
            Self::BundleRejected => "bundle_rejected",
            Self::BundleApproved => "bundle_approved",
            Self::BundleMended => "bundle_mended",
            Self::SignatureAttached => "signature_attached",
            Self::QuarantineDeleted => "quarantine_deleted",
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::VersionYanked => "version_yanked",
            Self::VersionUnyanked => "version_unyanked",
            Self::VersionRemoved => "version_removed",
            Self::Installed => "installed",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Upgraded => "upgraded",
            Self::SettingsChanged => "settings_changed",
            Self::HostsGranted => "hosts_granted",
            Self::LearningStarted => "learning_started",
            Self::LearningEnded => "learning_ended",
            Self::LearnedHostsGranted => "learned_hosts_granted",
            Self::EgressDenied => "egress_denied",
            Self::SecretSet => "secret_set",
            Self::SecretRemoved => "secret_removed",
            Self::StateExported => "state_exported",
            Self::StateImported => "state_imported",
            Self::StatePurged => "state_purged",
            Self::Uninstalled => "uninstalled",
            Self::MasterKeyRotated => "master_key_rotated",
        }
    }

    /// What happened, as a sentence for people; the subject stands beside it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SetupCompleted => "The appliance was set up",
            Self::OperatorCreated => "An operator was created",
            Self::PasswordReset => "A password was replaced",
            Self::SignedIn => "An operator signed in",
            Self::SignInFailed => "A sign-in was refused",
            Self::SignedOut => "An operator signed out",
            Self::SteppedUp => "An operator entered the password again",
            Self::TokenCreated => "A token was created",
            Self::TokenRevoked => "A token was revoked",
            Self::TenantCreated => "A tenant was created",
            Self::KeyTrusted => "A key was trusted",
            Self::KeyRemoved => "A key was removed",
            Self::BundlePublished => "A bundle was published",
            Self::BundleQuarantined => "A bundle was quarantined",
            Self::BundleRejected => "A bundle was refused",
            Self::BundleApproved => "A quarantined bundle was approved",
            Self::BundleMended => "Damaged files of a bundle were replaced",
            Self::SignatureAttached => "A signature was attached",
            Self::QuarantineDeleted => "A quarantined bundle was deleted",
            Self::Attached => "A file was attached to a version",
            Self::Detached => "A file was detached from a version",
            Self::VersionYanked => "A version was yanked",
            Self::VersionUnyanked => "A version was unyanked",
            Self::VersionRemoved => "A version was removed",
            Self::Installed => "An extension was installed",
            Self::Enabled => "An install was enabled",
            Self::Disabled => "An install was disabled",
            Self::Upgraded => "An install moved to another version",
            Self::SettingsChanged => "The settings of an install were changed",
            Self::HostsGranted => "The hosts that an install may call were changed",
            Self::LearningStarted => "An install began to learn what it calls",
            Self::LearningEnded => "An install stopped learning what it calls",
            Self::LearnedHostsGranted => "An install was granted what it called while it learned",
            Self::EgressDenied => "An install tried to call what it may not",
            Self::SecretSet => "A secret of an install was set",
            Self::SecretRemoved => "A secret of an install was removed",
            Self::StateExported => "What an install keeps was exported",
            Self::StateImported => "Values were put into what an install keeps",
            Self::StatePurged => "What an install keeps was removed",
            Self::Uninstalled => "An extension was uninstalled",
            Self::MasterKeyRotated => "The master key was replaced",
        }
    }
}

impl FromStr for AuditAction {
    type Err = UnknownAuditAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|action| action.as_str() == text);
        found.copied().ok_or_else(|| UnknownAuditAction(text.to_owned()))
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// The names that serde knows, from what it says of one that it does not.
    fn serialized_names() -> BTreeSet<String> {
        let error = serde_json::from_value::<AuditAction>(json!("?")).unwrap_err().to_string();
        let quoted = error.split('`').skip(1).step_by(2).filter(|name| *name != "?");
        quoted.map(str::to_owned).collect()
    }

    #[test]
    fn every_action_has_the_name_it_is_stored_under() {
        let named: BTreeSet<_> =
            AuditAction::ALL.iter().map(|action| action.as_str().to_owned()).collect();

        assert_eq!(named, serialized_names());
        for action in AuditAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(action.to_string().parse(), Ok(*action));
        }
        assert!("Installed".parse::<AuditAction>().is_err());
    }

    #[test]
    fn every_action_has_a_sentence_of_its_own() {
        let sentences: BTreeSet<_> =
            AuditAction::ALL.iter().map(|action| action.sentence()).collect();

        assert_eq!(sentences.len(), AuditAction::ALL.len());
        for sentence in sentences {
            let words = sentence.split(' ').count();
            let is_sentence = sentence.starts_with(|first: char| first.is_ascii_uppercase());
            assert!(is_sentence && words >= 3 && !sentence.ends_with('.'), "{sentence}");
        }
    }
}
