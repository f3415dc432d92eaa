//! One or more samples of every page, with hostile text wherever a publisher can write.

use askama::Template;
use jiff::SignedDuration;
use plugboard::guest_logs::{Head, Level, Record, Source};
use plugboard::model::{
    Actor, AttachmentKind, AuditAction, AuditEvent, ExtensionVersion, Install, PreviousVersion,
    SecretBinding, SecretFacts, SecretHeader, TenantId, Tombstone, UploadId, Yank,
};
use plugboard::web::audit_query::AuditParameters;
use plugboard::web::log_query::LogParameters;
use plugboard::web::pages::{
    AttachedText, AttachmentsPage, AuditPage, AuditRow, ByteSize, CheckMark, CheckRow, Chrome,
    ConfirmPage, EgressPage, ExtensionHead, ExtensionPage, ExtensionRow, ExtensionsPage,
    FailurePage, FilesPage, FormErrors, FrameAddress, InstallForm, KeptUpload, LearnedRow,
    LessonView, LogRow, LogsPage, Moment, NextStep, Notice, OpenPage, Outcome, OutcomePage,
    QuarantinedRow, RefusedRow, Remedy, RemovedRow, SecretRow, SecretsPage, SettingChanges,
    SettingsForm, SettingsPage, SetupPage, SignInPage, SignatureLine, Status, StepUpPage,
    StoragePage, Tone, UpgradePage, UploadLimits, UploadPage, VersionRow, VersionsPage,
};
use serde_json::json;

use super::subjects::{ASKED, HOSTILE, chrome, hash, install, nobody, now, schema, version};
use super::usage;

/// A rendered page.
pub(super) struct Sample {
    /// The name of its template.
    pub(super) page: &'static str,
    pub(super) variant: &'static str,
    pub(super) html: String,
}

pub(super) fn samples() -> Vec<Sample> {
    let mut all = starts();
    all.extend(lists());
    all.extend(uploads());
    all.extend(details());
    all.extend(settings());
    all.extend(hosts());
    all.extend(secrets());
    all.extend(logs());
    all.extend(questions());
    all.extend(storage());
    all.extend(audit());
    all
}

fn sample(page: &'static str, variant: &'static str, template: &impl Template) -> Sample {
    Sample { page, variant, html: template.render().unwrap() }
}

fn starts() -> Vec<Sample> {
    let mut errors = FormErrors::one("token", "The one-time token is not the one in the log.");
    errors.add("password", "The password has 9 characters; 12 or more are needed.");
    let unsafe_chrome = Chrome {
        warnings: vec![
            "Signatures are not required: unsigned bundles are accepted (signing.policy = allow-unsigned).".to_owned(),
            "Plain HTTP on an open address: passwords can be read on the way (server.insecure_http).".to_owned(),
        ],
        ..nobody()
    };
    let setup = SetupPage {
        chrome: nobody(),
        errors: FormErrors::none(),
        token: "k3v9-example".to_owned(),
        name: String::new(),
    };
    let setup_again = SetupPage {
        chrome: unsafe_chrome.clone(),
        errors,
        token: HOSTILE.to_owned(),
        name: "robin".to_owned(),
    };
    let sign_in = SignInPage {
        chrome: nobody(),
        errors: FormErrors::none(),
        name: String::new(),
        next: Some("/admin/upload".to_owned()),
    };
    let refused = SignInPage {
        chrome: unsafe_chrome,
        errors: FormErrors::one("", "The name or the password is wrong."),
        name: "robin".to_owned(),
        next: None,
    };
    let wrong = FormErrors::one("password", "The password is wrong.");
    vec![
        sample("setup", "first", &setup),
        sample("setup", "errors", &setup_again),
        sample("sign_in", "first", &sign_in),
        sample("sign_in", "refused", &refused),
        sample("step_up", "first", &step_up(FormErrors::none(), Some("/admin/upload".to_owned()))),
        sample("step_up", "refused", &step_up(wrong, None)),
        sample("failure", "signed-in", &failure(chrome(""))),
        sample("failure", "nobody", &failure(nobody())),
    ]
}

fn step_up(errors: FormErrors, next: Option<String>) -> StepUpPage {
    StepUpPage { chrome: chrome(""), errors, minutes: 10, next }
}

fn storage() -> Vec<Sample> {
    let row = |name: &str, status: CheckMark, found: &str| CheckRow {
        name: name.to_owned(),
        status,
        code: String::new(),
        expected: None,
        found: Some(found.to_owned()),
        hint: None,
    };
    let on_disk = StoragePage {
        chrome: chrome("storage"),
        bucket: None,
        problem: None,
        waiting: "2 unfinished uploads and 1 quarantined bundle".to_owned(),
        held: ByteSize::new(34 << 20),
        held_limit: ByteSize::new(2 << 30),
        orphans: None,
        free: Some(ByteSize::new(12 << 30)),
        floor: ByteSize::new(1 << 30),
        checked: None,
        checks: Vec::new(),
    };
    let in_bucket = StoragePage {
        chrome: chrome("storage"),
        bucket: Some("plugboard on https://s3.example.net".to_owned()),
        problem: Some(HOSTILE.to_owned()),
        waiting: "0 unfinished uploads and 0 quarantined bundles".to_owned(),
        held: ByteSize::new(0),
        held_limit: ByteSize::new(2 << 30),
        orphans: Some("2 bundles".to_owned()),
        free: None,
        floor: ByteSize::new(1 << 30),
        checked: Some(Moment::new(now(), now())),
        checks: vec![
            row("reach", CheckMark::Pass, "The store answers, and objects can be written."),
            row("create only", CheckMark::Warn, "The store replaces an object."),
            row("multipart", CheckMark::Fail, HOSTILE),
            row("presign", CheckMark::Skipped, "Not checked."),
        ],
    };
    vec![sample("storage", "disk", &on_disk), sample("storage", "bucket", &in_bucket)]
}

fn audit() -> Vec<Sample> {
    let row = |number: u64, actor: Actor, tenant: Option<&str>| {
        let event = AuditEvent {
            at: now() - SignedDuration::from_hours(3),
            actor,
            action: AuditAction::VersionYanked,
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            subject: format!("com.example.hello 1.4.0 {HOSTILE}"),
            detail: Some(HOSTILE.to_owned()),
        };
        AuditRow::new((number, event), now())
    };
    let operator = Actor::Operator("robin".parse().unwrap());
    let rows = vec![row(1_204, operator, Some("acme")), row(1_203, Actor::System, None)];
    let filled = AuditPage {
        chrome: chrome("audit"),
        errors: FormErrors::none(),
        sent: AuditParameters { subject: HOSTILE.to_owned(), ..AuditParameters::default() },
        rows,
        older: Some("/admin/audit?before=1203".to_owned()),
        newest: Some("/admin/audit".to_owned()),
        searched: Some("20,000 rows".to_owned()),
    };
    let empty = AuditPage {
        chrome: chrome("audit"),
        errors: FormErrors::none(),
        sent: AuditParameters::default(),
        rows: Vec::new(),
        older: None,
        newest: None,
        searched: None,
    };
    let mut wrong = FormErrors::one("action", "What happened: `x` is not an action.");
    wrong.add("tenant", "Tenant: a tenant id is 1 to 63 of `a-z`.");
    let refused = AuditPage {
        chrome: chrome("audit"),
        errors: wrong,
        sent: AuditParameters { tenant: HOSTILE.to_owned(), ..AuditParameters::default() },
        rows: Vec::new(),
        older: None,
        newest: None,
        searched: None,
    };
    vec![
        sample("audit", "rows", &filled),
        sample("audit", "empty", &empty),
        sample("audit", "refused", &refused),
    ]
}

fn failure(chrome: Chrome) -> FailurePage {
    FailurePage {
        chrome,
        status: 404,
        title: "Not found".to_owned(),
        detail: format!("No extension is called {HOSTILE}."),
        hint: Some("The list of extensions has every name.".to_owned()),
        step_up: Some("/admin/step-up?next=%2Fadmin%2Fupload".to_owned()),
        way: Some(("/admin/extensions/com.example.hello".to_owned(), "To its page")),
        code: "not_found".to_owned(),
        request_id: "01957c2e-7a54-7f31-9a6b-6f1a0e2b9c11".to_owned(),
    }
}

const PUBLISH: &str =
    "plugboard publish hello.tar.zst --url https://plugboard.example.net --install --enable";

fn row(name: &str, number: &str, status: Status) -> ExtensionRow {
    let installed = !matches!(status, Status::NotInstalled | Status::Quarantined);
    ExtensionRow {
        name: name.parse().unwrap(),
        title: None,
        version: number.parse().unwrap(),
        status,
        note: None,
        install: installed.then(|| install(true).id),
        has_page: true,
        is_barred: false,
    }
}

fn quarantined() -> QuarantinedRow {
    QuarantinedRow {
        name: "com.example.unsigned".parse().unwrap(),
        version: "0.1.0".parse().unwrap(),
        why: format!("no signature {HOSTILE}"),
        expires: Moment::new(now() + SignedDuration::from_hours(24 * 29), now()),
        command: "plugboard quarantine show 9f2c1a77a1b0".to_owned(),
    }
}

fn lists() -> Vec<Sample> {
    let page = |rows: Vec<ExtensionRow>, chrome: Chrome| ExtensionsPage {
        chrome,
        quarantined: if rows.is_empty() { vec![] } else { vec![quarantined()] },
        rows,
        publish_command: PUBLISH.to_owned(),
        limits: limits(),
    };
    let mut hello = row("com.example.hello", "1.4.0", Status::Enabled);
    hello.title = Some("Hello board".to_owned());
    hello.note = Some("1.5.0 is published".to_owned());
    let mut sync = row("com.example.sync", "1.1.0", Status::Quarantined);
    sync.note = Some("unsigned".to_owned());
    let mut broken = row(
        "net.example.a-long-name.that-goes-on.and-on.billing-reports",
        "10.12.3-rc.1",
        Status::Failing,
    );
    broken.note = Some("its component does not fit this appliance".to_owned());
    broken.title = Some(HOSTILE.to_owned());
    let rows = vec![
        hello,
        row("com.example.reports", "2.0.1", Status::Disabled),
        row("com.example.free", "0.3.0", Status::NotInstalled),
        sync,
        broken,
    ];
    let mut noticed = chrome("extensions");
    noticed.notice =
        Some(Notice { tone: Tone::Good, text: "com.example.hello 1.4.0 is enabled.".to_owned() });
    noticed.warnings = vec!["Signatures are not required: unsigned bundles are accepted (signing.policy = allow-unsigned).".to_owned()];
    vec![
        sample("extensions", "empty", &page(vec![], chrome("extensions"))),
        sample("extensions", "list", &page(rows.clone(), chrome("extensions"))),
        sample("extensions", "noticed", &page(rows, noticed)),
    ]
}

fn check(name: &str, status: CheckMark, code: &str, found: &str) -> CheckRow {
    CheckRow {
        name: name.to_owned(),
        status,
        code: code.to_owned(),
        expected: None,
        found: (!found.is_empty()).then(|| found.to_owned()),
        hint: None,
    }
}

fn checks(trust: CheckMark) -> Vec<CheckRow> {
    use CheckMark::{Pass, Skipped, Warn};
    let mut key = check("trust", trust, "key_trusted", "Example release key (4f1a4f1a)");
    if trust == CheckMark::Fail {
        key.code = String::from("key_not_trusted");
        key.expected = Some("a trusted key for com.example.hello".to_owned());
        key.found = Some("key 4f1a4f1a, which is not trusted for any name".to_owned());
        key.hint = Some("The bundle is signed by a key that this appliance does not trust. Trust it for com.example.*, or attach another signature.".to_owned());
    }
    let mut archive = check("archive", Warn, "precompiled_ignored", "4 files, 63.1 KiB");
    archive.hint = Some(
        "The folder precompiled/ is ignored: this appliance runs only what it compiled itself."
            .to_owned(),
    );
    let hash = format!("sha256:{}", "9f".repeat(32));
    vec![
        check("transport", Pass, "ok", "48,213 bytes"),
        check("integrity", Pass, "ok", &hash),
        archive,
        check("manifest", Pass, "ok", "com.example.hello 1.4.0"),
        check("component", Pass, "ok", "alga:extension/runner"),
        check("signature", Pass, "ok", "1 signature verifies"),
        key,
        check("policy", if trust == CheckMark::Fail { Skipped } else { Pass }, "", ""),
    ]
}

fn uploads() -> Vec<Sample> {
    let upload = |errors, kept| UploadPage {
        chrome: chrome("upload"),
        errors,
        publish_command: PUBLISH.to_owned(),
        limits: limits(),
        kept,
    };
    let kept = |filename: &str, is_known| KeptUpload {
        id: UploadId::random(),
        filename: filename.to_owned(),
        received: ByteSize::new(35_651_584),
        length: ByteSize::new(96 << 20),
        expires: Moment::new(now() + SignedDuration::from_hours(20), now()),
        is_known,
    };
    let page = |outcome, checks, next, remedies| OutcomePage {
        chrome: chrome("upload"),
        outcome,
        extension: Some(("com.example.hello".parse().unwrap(), "1.4.0".parse().unwrap())),
        content_hash: hash(0x9f).into(),
        size: ByteSize::new(48_213),
        attachments: vec![AttachmentKind::Sbom],
        checks,
        next,
        remedies,
    };
    let form = InstallForm::new(&version("1.4.0", ASKED).manifest);
    let upgrade = NextStep::Upgrade { install: install(true).id, from: "1.3.2".parse().unwrap() };
    let remedy = |text: &str, command: Option<&str>| Remedy {
        text: text.to_owned(),
        command: command.map(str::to_owned),
    };
    let remedies = vec![
        remedy(
            "Trust the signer’s key for these names. Compare its fingerprint with the publisher first.",
            Some("plugboard trust add release.pub --for 'com.example.*'"),
        ),
        remedy("Attach another signature: upload the same bundle again together with it.", None),
    ];
    let errors = FormErrors::one("sbom", "SBOM was not accepted: it is no JSON.");
    let mut rejected = page(Outcome::Rejected, hostile_checks(), NextStep::Nothing, vec![]);
    rejected.extension = None;
    let busy = page(Outcome::NotChecked, vec![], NextStep::Nothing, vec![]);
    let (good, bad) = (checks(CheckMark::Pass), checks(CheckMark::Fail));
    let created = page(Outcome::Created, good.clone(), NextStep::Install(form), vec![]);
    let unchanged = page(Outcome::Unchanged, good.clone(), NextStep::Installed, vec![]);
    let barred = NextStep::Barred(format!("1.4.0 is yanked ({HOSTILE})."));
    let barred = page(Outcome::Unchanged, good.clone(), barred, vec![]);
    let newer = page(Outcome::Created, good, upgrade, vec![]);
    vec![
        sample("upload", "first", &upload(FormErrors::none(), vec![])),
        sample("upload", "errors", &upload(errors, vec![])),
        sample(
            "upload",
            "unfinished",
            &upload(FormErrors::none(), vec![kept("hello.tar.zst", true), kept(HOSTILE, false)]),
        ),
        sample("outcome", "created", &created),
        sample("outcome", "newer", &newer),
        sample("outcome", "unchanged", &unchanged),
        sample("outcome", "yanked", &barred),
        sample(
            "outcome",
            "quarantined",
            &page(Outcome::Quarantined, bad, NextStep::Nothing, remedies),
        ),
        sample("outcome", "rejected", &rejected),
        sample("outcome", "not-checked", &busy),
    ]
}

fn limits() -> UploadLimits {
    let (bundle, attachment) = (ByteSize::new(200 << 20), ByteSize::new(1 << 20));
    UploadLimits { bundle, bundle_bytes: 209_715_200, attachment }
}

fn hostile_checks() -> Vec<CheckRow> {
    let mut archive = check("archive", CheckMark::Fail, "path_traversal", "ui/../../etc/passwd");
    archive.expected = Some("paths below the bundle’s own folder".to_owned());
    archive.hint = Some("Pack the folder again with plugboard pack.".to_owned());
    let mut manifest = check("manifest", CheckMark::Fail, "unknown_key", HOSTILE);
    manifest.hint = Some(format!("{HOSTILE} is not a key of the manifest."));
    vec![
        check("transport", CheckMark::Pass, "ok", "48,213 bytes"),
        archive,
        manifest,
        check("component", CheckMark::Skipped, "", ""),
    ]
}

fn yank_of(version: &str) -> Yank {
    serde_json::from_value(json!({
        "name": "com.example.hello", "version": version, "yanked_at": now(),
        "yanked_by": "operator robin", "reason": format!("loses reports {HOSTILE}"),
    }))
    .unwrap()
}

fn details() -> Vec<Sample> {
    let version = version("1.4.0", ASKED);
    let head =
        |install: Option<&Install>, status, tab| ExtensionHead::new(&version, install, status, tab);
    let installed = install(true);
    let (busy, idle) = (usage::of_a_busy_install(), usage::of_an_idle_install());
    let failing = usage::of_a_failing_install();
    let overview = |install: Option<&Install>, status, usage| {
        let head = head(install, status, "overview");
        let kept = install.map(|_| "12 values in 2 namespaces, 3.4 KiB of 256 MiB".to_owned());
        let page =
            ExtensionPage::new(chrome("extensions"), head, &version, install, None, usage, now());
        ExtensionPage { kept, ..page }
    };
    let yanked = ExtensionPage::new(
        chrome("extensions"),
        head(None, Status::NotInstalled, "overview"),
        &version,
        None,
        Some(&yank_of("1.4.0")),
        None,
        now(),
    );
    let tombstone: Tombstone = serde_json::from_value(json!({
        "name": "com.example.hello", "version": "0.9.0", "content_hash": hash(0x09),
        "removed_at": now(), "removed_by": "token a1b2c3d4",
    }))
    .unwrap();
    let mut newest = version.clone();
    newest.version = "1.5.0".parse().unwrap();
    newest.published_at = now();
    let mut older = version.clone();
    older.version = "1.3.2".parse().unwrap();
    older.signers.clear();
    older.published_at = "2026-01-02T12:00:00Z".parse().unwrap();
    let mut oldest = older.clone();
    oldest.version = "1.0.0".parse().unwrap();
    let yank = yank_of("1.4.0");
    let versions = |install: Option<&Install>, status| VersionsPage {
        chrome: chrome("extensions"),
        head: head(install, status, "versions"),
        rows: [(&newest, Some(&yank)), (&version, None), (&older, Some(&yank)), (&oldest, None)]
            .map(|(version, yank)| VersionRow::new(version, install, yank, now()))
            .into(),
        removed: vec![RemovedRow::new(&tombstone, now())],
        install: install.map(|install| install.id),
    };
    let mut many = version.clone();
    many.files = version.files.iter().cycle().take(450).cloned().collect();
    let files = |version: &ExtensionVersion| {
        let head = head(Some(&installed), Status::Enabled, "files");
        FilesPage::new(chrome("extensions"), head, version, 2)
    };
    vec![
        sample("extension", "enabled", &overview(Some(&installed), Status::Enabled, Some(busy))),
        sample("extension", "disabled", &overview(Some(&installed), Status::Disabled, Some(idle))),
        sample("extension", "failing", &overview(Some(&installed), Status::Failing, Some(failing))),
        sample("extension", "free", &overview(None, Status::NotInstalled, None)),
        sample("extension", "yanked", &yanked),
        sample("attachments", "some", &attachments(true)),
        sample("attachments", "none", &attachments(false)),
        sample("versions", "installed", &versions(Some(&installed), Status::Enabled)),
        sample("versions", "free", &versions(None, Status::NotInstalled)),
        sample("files", "few", &files(&version)),
        sample("files", "many", &files(&many)),
    ]
}

fn setting_change() -> AuditEvent {
    AuditEvent {
        at: now(),
        tenant: Some(TenantId::default_tenant()),
        actor: Actor::Operator("robin".parse().unwrap()),
        action: AuditAction::SettingsChanged,
        subject: format!("{HOSTILE} 1.4.0"),
        detail: None,
    }
}

fn settings() -> Vec<Sample> {
    let version = version("1.4.0", ASKED);
    let installed = install(true);
    let page = |install: Option<&Install>, form, errors| SettingsPage {
        chrome: chrome("extensions"),
        head: ExtensionHead::new(&version, install, Status::Enabled, "settings"),
        form,
        errors,
        changes: SettingChanges {
            rows: vec![AuditRow::new((7, setting_change()), now())],
            all: "/admin/audit?action=settings_changed".to_owned(),
        },
    };
    let form = SettingsForm::new(&schema(), &installed.settings);
    let whole = SettingsForm::new(&json!({"type": "object"}), &installed.settings);
    let sent = vec![
        ("setting.limit".to_owned(), "many".to_owned()),
        ("setting.rooms".to_owned(), HOSTILE.to_owned()),
    ];
    let wrong = form.read(&sent).unwrap_err();
    let again = form.clone().refill(&sent);
    vec![
        sample("settings", "form", &page(Some(&installed), Some(form), FormErrors::none())),
        sample("settings", "errors", &page(Some(&installed), Some(again), wrong)),
        sample("settings", "whole", &page(Some(&installed), Some(whole), FormErrors::none())),
        sample("settings", "nothing", &page(Some(&installed), None, FormErrors::none())),
        sample("settings", "free", &page(None, None, FormErrors::none())),
    ]
}

fn lesson() -> LessonView {
    let row = |entry: &str, was_granted| LearnedRow {
        entry: entry.to_owned(),
        count: 12,
        last: Moment::new(now(), now()),
        was_granted,
    };
    LessonView {
        is_on: true,
        began: Moment::new(now(), now()),
        ends: Moment::new(now() + SignedDuration::from_hours(1), now()),
        calls: vec![row("https://api.example.com", true), row("https://b.example.net:8443", false)],
        unused: vec!["https://*.example.net".to_owned()],
    }
}

fn hosts() -> Vec<Sample> {
    let (version, installed) = (version("1.4.0", ASKED), install(true));
    let page = |requested: Option<&[&str]>, refused, errors| EgressPage {
        chrome: chrome("extensions"),
        head: ExtensionHead::new(&version, Some(&installed), Status::Enabled, "egress"),
        install: installed.id,
        is_asked: requested.is_some(),
        is_granted: requested.is_some(),
        requested: requested.map(|hosts| hosts.iter().map(ToString::to_string).collect()),
        unlisted: vec!["https://*.example.net".to_owned()],
        hosts: format!("https://api.example.com\n{HOSTILE}"),
        refused,
        lesson: requested.map(|_| lesson()),
        errors,
    };
    let row = |why: &str, can_be_granted| RefusedRow {
        entry: "https://api.example.com:8443".to_owned(),
        count: 12,
        last: Moment::new(now(), now()),
        why: why.to_owned(),
        can_be_granted,
    };
    let refused = vec![
        row("Not in the hosts granted to the install", true),
        row("Not in the appliance's `egress.allowlist`, nor in the manifest's `egress`", false),
        row("The secret api_key is not bound to this host", false),
    ];
    let wrong = FormErrors::one("hosts", format!("“{HOSTILE}” is no host"));
    let asked: &[&str] = &["https://api.example.com", "https://*.example.net"];
    vec![
        sample("egress", "refused", &page(Some(asked), refused, FormErrors::none())),
        sample("egress", "errors", &page(Some(asked), Vec::new(), wrong)),
        sample("egress", "nothing", &page(None, Vec::new(), FormErrors::none())),
    ]
}

fn secret(name: &str, days: Option<i64>) -> SecretFacts {
    SecretFacts {
        name: name.parse().unwrap(),
        version: 12,
        set_at: now() - SignedDuration::from_hours(30),
        set_by: "operator robin".to_owned(),
        expires_at: days.map(|days| now() + SignedDuration::from_hours(24 * days)),
        sequence: 12,
        binding: days.is_none().then(|| SecretBinding {
            hosts: vec!["api.example.com".parse().unwrap(), "*.example.net:8443".parse().unwrap()],
            header: SecretHeader::default(),
        }),
    }
}

fn secrets() -> Vec<Sample> {
    let version = version("1.4.0", ASKED);
    let installed = install(true);
    let kept = [secret("api_key", None), secret("tls.key", Some(40)), secret("old", Some(-2))];
    let page = |install: Option<&Install>, rows: &[SecretFacts], errors| SecretsPage {
        chrome: chrome("extensions"),
        head: ExtensionHead::new(&version, install, Status::Enabled, "secrets"),
        rows: rows.iter().map(|facts| SecretRow::new(facts, now())).collect(),
        is_asked: true,
        is_granted: !rows.is_empty(),
        errors,
        key: HOSTILE.to_owned(),
        expires: "2027-01-31".to_owned(),
        hosts: format!("api.example.com\n{HOSTILE}"),
        header: HOSTILE.to_owned(),
    };
    let mut wrong = FormErrors::one("key", "The name of a secret is 1 to 128 characters.");
    wrong.add("value", "A secret has 1 to 16384 bytes; this one has none.");
    wrong.add("expires", "A secret cannot expire at 2020-01-31.");
    let remove = ConfirmPage::remove_secret(chrome("extensions"), &installed, &kept[0]);
    vec![
        sample("secrets", "some", &page(Some(&installed), &kept, FormErrors::none())),
        sample("secrets", "errors", &page(Some(&installed), &kept, wrong)),
        sample("secrets", "none", &page(Some(&installed), &[], FormErrors::none())),
        sample("secrets", "free", &page(None, &[], FormErrors::none())),
        sample("confirm", "remove-secret", &remove),
    ]
}

fn questions() -> Vec<Sample> {
    let version_now = version("1.4.0", ASKED);
    let installed = install(true);
    let mut theirs = install(true);
    theirs.tenant = "acme".parse().unwrap();
    let previous: &PreviousVersion = installed.previous.as_ref().unwrap();
    let mut next = version("1.5.0", ASKED);
    next.signers[0].key_id = format!("sha256:{}", "9f2c".repeat(16)).parse().unwrap();
    next.signers[0].name = format!("key {HOSTILE}");
    next.manifest.endpoints.clear();
    let to_next = |yank: Option<&Yank>| {
        UpgradePage::to(chrome("extensions"), &installed, &version_now, &next, yank)
    };
    let (forward, yanked) = (to_next(None), to_next(Some(&yank_of("1.5.0"))));
    let back = UpgradePage::back(chrome("extensions"), &installed, previous);
    let frame = FrameAddress {
        base: "http://127.0.0.1:7421",
        name: &installed.name,
        content_hash: installed.content_hash,
        entry: &"index.html".parse().unwrap(),
        extension_id: "com.example.hello",
        parent_origin: "http://127.0.0.1:7420",
        path: "/",
    };
    let open = OpenPage {
        chrome: chrome("extensions"),
        name: installed.name.clone(),
        title: Some("Hello board".to_owned()),
        version: installed.version.clone(),
        install: installed.id,
        extension_id: "com.example.hello".to_owned(),
        frame_src: frame.url(),
    };
    let disable = ConfirmPage::disable(chrome("extensions"), &theirs, &version_now);
    let uninstall = ConfirmPage::uninstall(chrome("extensions"), &installed, &version_now, 4, 2);
    let yank = ConfirmPage::yank(chrome("extensions"), &version_now, 2);
    let remove = {
        let tenants = ["default", "acme"].map(|tenant| tenant.parse().unwrap());
        ConfirmPage::remove(chrome("extensions"), &version_now, 1, &tenants, Some(installed.id))
    };
    vec![
        sample("confirm", "disable", &disable),
        sample("confirm", "yank", &yank),
        sample("confirm", "remove", &remove),
        sample("confirm", "uninstall", &uninstall),
        sample("upgrade", "forward", &forward),
        sample("upgrade", "yanked", &yanked),
        sample("upgrade", "back", &back),
        sample("open", "frame", &open),
    ]
}

fn attachments(some: bool) -> AttachmentsPage {
    let signature = |standing: &str| SignatureLine {
        key_id: format!("sha256:{}", "4f1a".repeat(16)),
        short: "4f1a4f1a".to_owned(),
        standing: standing.to_owned(),
    };
    let file = |title: &'static str, path: Option<&str>| AttachedText {
        title,
        address: "/api/v1/extensions/com.example.hello/versions/1.4.0/attachments/sbom".to_owned(),
        format: "CycloneDX 1.6".to_owned(),
        size: ByteSize::new(4_096),
        path: path.map(str::to_owned),
        attached: path.is_none().then(|| (Moment::new(now(), now()), "operator robin".to_owned())),
        text: format!("{{\"bomFormat\": \"{HOSTILE}\"}}"),
    };
    let (mut signatures, mut files) = (Vec::new(), Vec::new());
    if some {
        signatures.push(signature("verified; trusted as Example release key"));
        signatures.push(signature(HOSTILE));
        files.push(file("Readme", Some("README.md")));
        files.push(file("SBOM", None));
    }
    AttachmentsPage {
        chrome: chrome("extensions"),
        name: "com.example.hello".parse().unwrap(),
        version: "1.4.0".parse().unwrap(),
        signatures,
        files,
    }
}

fn record(seq: u64, level: Level, source: Source, message: &str) -> Record {
    let installed = install(true);
    let head = Head {
        install: installed.id,
        tenant: installed.tenant,
        extension: installed.name,
        version: "1.4.0".to_owned(),
        content_hash: hash(7),
    };
    Record {
        seq,
        time_ms: now().as_millisecond() + 250 * i64::try_from(seq).unwrap(),
        level,
        source,
        request_id: "6f1e4a3c0d554c399d0e2f4b8a1c7e90".into(),
        message: message.into(),
        truncated: seq == 2,
        dropped: 0,
        head: head.into(),
    }
}

fn logs() -> Vec<Sample> {
    let version = version("1.4.0", ASKED);
    let installed = install(true);
    let long = format!("{HOSTILE} {}", "a long line of one word and many ".repeat(12));
    let count = Record {
        dropped: 4_900,
        ..record(4, Level::Warn, Source::Log, "4900 more lines of this execution were dropped")
    };
    let many = Record {
        request_id: "".into(),
        ..Record { dropped: 12, ..record(5, Level::Warn, Source::Log, "12 lines were not kept") }
    };
    let rows = [
        many,
        count,
        record(3, Level::Error, Source::Log, HOSTILE),
        record(2, Level::Warn, Source::Stderr, &long),
        record(1, Level::Info, Source::Stdout, "Read 12 orders in 31 ms"),
    ];
    let page = |install: Option<&Install>, rows: &[Record], errors| LogsPage {
        chrome: chrome("extensions"),
        head: ExtensionHead::new(&version, install, Status::Enabled, "logs"),
        rows: rows.iter().map(|record| LogRow::new(record, &version.name)).collect(),
        older: (!rows.is_empty()).then(|| "?before=1".to_owned()),
        newest: None,
        live: Some("/api/v1/installs/x/logs?follow=true&after=5".to_owned()),
        kept: Some(ByteSize::new(4 * 1024 * 1024)),
        sent: LogParameters { text: HOSTILE.to_owned(), ..LogParameters::default() },
        errors,
    };
    let everything = LogsPage {
        sent: LogParameters::default(),
        ..page(Some(&installed), &[], FormErrors::none())
    };
    let off =
        LogsPage { kept: None, live: None, ..page(Some(&installed), &[], FormErrors::none()) };
    let wrong = FormErrors::one("level", "Level: it is one of info, warn, error.");
    vec![
        sample("logs", "some", &page(Some(&installed), &rows, FormErrors::none())),
        sample("logs", "none", &everything),
        sample("logs", "nothing-found", &page(Some(&installed), &[], FormErrors::none())),
        sample("logs", "errors", &page(Some(&installed), &[], wrong)),
        sample("logs", "off", &off),
        sample("logs", "free", &page(None, &[], FormErrors::none())),
    ]
}
