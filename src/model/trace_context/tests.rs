//! Trace Context as its specification has it.

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parse(text: &str) -> Option<TraceContext> {
    text.parse().ok()
}

#[test]
fn a_traceparent_is_read_and_written() {
    for (flags, is_sampled) in [("00", false), ("01", true)] {
        let text = format!("00-{TRACE}-{SPAN}-{flags}");

        let context = parse(&text).unwrap();

        assert_eq!(context.is_sampled, is_sampled);
        assert_eq!(
            (context.trace.to_string(), context.span.to_string()),
            (TRACE.into(), SPAN.into())
        );
        assert_eq!(context.to_string(), text);
    }
}

#[test]
fn of_the_flags_only_the_one_with_a_meaning_is_handed_on() {
    for (flags, written) in [("ff", "01"), ("fe", "00"), ("03", "01"), ("02", "00"), ("09", "01")] {
        let context = parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
        assert!(context.to_string().ends_with(&format!("-{written}")), "{flags}: {context}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_this_one_goes() {
    for text in [
        format!("01-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
        format!("fe-{TRACE}-{SPAN}-01-"),
    ] {
        assert_eq!(parse(&text).unwrap().to_string(), format!("00-{TRACE}-{SPAN}-01"), "{text}");
    }
}

#[test]
fn what_is_not_exactly_so_is_no_traceparent() {
    for text in [
        String::new(),
        "00".to_owned(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01-more"),
        format!("FE-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("01-{TRACE}-{SPAN}-01.more"),
        format!("01-{TRACE}-{SPAN}-01x"),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{TRACE}-{SPAN}-0g"),
        format!("00-{}-{SPAN}-01", TRACE.replace('a', "g")),
        format!("00-{TRACE}-{}-01", SPAN.replace('a', ".")),
        format!("00-{}-{SPAN}0-01", &TRACE[1..]),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{}-{SPAN}-01", "ä".repeat(16)),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
    ] {
        assert_eq!(parse(&text), None, "{text}");
    }
}

fn state(fields: &[&str]) -> Result<Option<String>, InvalidTraceState> {
    let state = TraceState::of(fields.iter().copied())?;
    Ok(state.map(|state| state.as_str().to_owned()))
}

#[test]
fn the_fields_of_a_tracestate_are_one_list_in_their_order() {
    for (fields, read) in [
        (&["a=1"][..], "a=1"),
        (&["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
        (&["a=1 , \t b=2,,", "", ",c=x y"], "a=1,b=2,c=x y"),
        (&["0-_*/=!~", "fw529a3039@dt=FfA/+:;"], "0-_*/=!~,fw529a3039@dt=FfA/+:;"),
    ] {
        assert_eq!(state(fields), Ok(Some(read.to_owned())), "{fields:?}");
    }
    assert_eq!(state(&[]), Ok(None));
    assert_eq!(state(&["", " , "]), Ok(None));
}

#[test]
fn what_is_not_well_formed_or_too_long_is_no_tracestate() {
    let many: Vec<_> = (0..33).map(|n| format!("k{n}=1")).collect();
    let long = format!("a={}", "1".repeat(257));
    let two = format!("a={},b={}", "1".repeat(256), "1".repeat(253));
    for text in [
        "a",
        "=1",
        "a=",
        "A=1",
        "a b=1",
        "a=1=2",
        "ä=1",
        "a=ä",
        "a=\u{7f}",
        "@a=1",
        "a@=1",
        "a@0=1",
        "a@b@c=1",
        "_a=1",
        "a@abcdefghijklmno=1",
        "a=1,a=2",
        &many.join(","),
        &long,
        &two,
    ] {
        assert_eq!(state(&[text]), Err(InvalidTraceState), "{text}");
    }
    assert!(state(&[&many[..32].join(",")]).is_ok());
    assert!(state(&[&two[..512]]).is_ok(), "{}", two.len());
    assert_eq!(state(&[&two[..300], &two[300..]]), Err(InvalidTraceState));
}

#[test]
fn a_request_with_two_parents_has_none_and_a_bad_state_does_not_spoil_a_good_parent() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let incoming = |parents: &[&str], states: &[&str]| {
        IncomingTrace::of(parents.iter().copied(), states.iter().copied())
    };

    assert_eq!(incoming(&[], &["a=1"]), None);
    assert_eq!(incoming(&[&parent, &parent], &[]), None);
    assert_eq!(incoming(&["x", &parent], &[]), None);
    let context = parent.parse().unwrap();
    assert_eq!(incoming(&[&parent], &["a"]), Some(IncomingTrace { context, state: None }));
    assert_eq!(incoming(&[&parent], &["a=1"]).unwrap().state.unwrap().as_str(), "a=1");
}

#[test]
fn all_zero_is_no_id() {
    assert_eq!(TraceId::new([0; 16]), None);
    assert_eq!(SpanId::new([0; 8]), None);
}
