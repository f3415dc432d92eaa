//! What a guest is told in confidence, and what is logged of it then.

use plugboard::config::StateConfig;
use plugboard::model::SystemClock;
use plugboard::state::secrets::{InstallSecrets, NewSecret, Secrets, WrappingKey};
use plugboard::state::{Owner, State};

use super::*;

const VALUE: &str = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\n-----END KEY-----";

/// A stage with the guest `confides`, and a handle to the secret of its install.
async fn stage() -> (Stage, InstallSecrets) {
    let component = guests::wasi_extension("confides");
    let stage = Stage::new(TargetWorld::Extension, component).await;
    let kept = State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let secrets = Secrets::new(kept, WrappingKey::new([1; 32].into()));
    let owner = Owner::of(&stage.install);
    let new = NewSecret {
        name: "api_key".parse().unwrap(),
        value: VALUE.into(),
        set_at: jiff::Timestamp::UNIX_EPOCH,
        set_by: "operator ada".to_owned(),
        expires_at: None,
        binding: plugboard::model::BindingChange::Keep,
    };
    secrets.set(owner, new).await.unwrap();
    let handle = secrets.of(owner);
    (stage, handle)
}

fn call(stage: &Stage, secrets: &InstallSecrets, grants: &[Capability], path: &str) -> Invocation {
    let grants = Arc::new(grants.iter().copied().collect());
    Invocation { grants, secrets: Some(secrets.clone()), ..stage.get(path) }
}

#[tokio::test]
async fn a_handle_to_secrets_opens_nothing_without_the_grant() {
    let (stage, secrets) = stage().await;
    let all: Vec<_> = Capability::ALL.into_iter().collect();
    let but_one: Vec<_> = all.iter().copied().filter(|it| *it != Capability::SecretsGet).collect();

    for (grants, value, names) in
        [(&[Capability::SecretsGet][..], VALUE, "api_key\n"), (&but_one, "1", ""), (&[], "1", "")]
    {
        let told = stage.execute(call(&stage, &secrets, grants, "/a")).await.unwrap();
        let listed = stage.execute(call(&stage, &secrets, grants, "/n")).await.unwrap();
        assert_eq!((&told.body[..], &listed.body[..]), (value.as_bytes(), names.as_bytes()));
    }
}

#[tokio::test]
async fn a_guest_line_has_no_line_of_a_secret_that_was_read() {
    let lines = GuestLines::heard();
    let (stage, secrets) = stage().await;
    let grants = [Capability::SecretsGet, Capability::LogEmit];

    stage.execute(call(&stage, &secrets, &grants, "/l")).await.unwrap();
    let ended = stage.execute(call(&stage, &secrets, &grants, "/e")).await;

    assert!(matches!(ended, Err(ExecuteError::Trap(_))), "{ended:?}");
    let lines = lines.of(&stage.install);
    let said = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(
        (lines.len(), said("[secret]"), said("the key is [secret]")),
        (5, 5, 1),
        "{lines:?}"
    );
    assert_eq!((said("KEY"), said("MC4C")), (0, 0), "{lines:?}");
}
