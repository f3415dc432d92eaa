//! Invoices: what is sent, and what of the answer is read.

use super::*;

#[tokio::test]
async fn an_invoice_is_sent_with_what_the_guest_said_and_nothing_else() {
    let whole = json!({"invoiceId": "i", "invoiceNumber": "INV-1", "status": "draft",
        "subtotal": 1.5, "tax": 0, "total": 1.5});
    let answer = json!({"success": true, "invoice": whole});
    let server = Recorder::answering(201, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();

    let made = make(&mut host, invoice(vec![item(2.0)])).await;

    assert!(made.success && made.error.is_none() && made.field_errors.is_none());
    let texts = [&made.invoice_id, &made.invoice_number, &made.status];
    assert_eq!(texts.map(Option::as_deref), [Some("i"), Some("INV-1"), Some("draft")]);
    assert_eq!([made.subtotal, made.tax, made.total], [Some(1.5), Some(0.0), Some(1.5)]);
    let (line, head, _) = server.request();
    let path = format!("/api/internal/ext-invoicing/install/{install}");
    assert_eq!(line, format!("POST {path} HTTP/1.1"));
    assert!(head.contains(&format!("\r\nx-runner-auth: {TOKEN}\r\n")), "{head}");
    assert_eq!(
        server.json(),
        json!({"operation": "createManualInvoice", "clientId": "client-1", "items": [
            {"serviceId": "service-1", "quantity": 2.0, "description": "An hour", "rate": 9900.0}
        ]})
    );
}

#[tokio::test]
async fn every_option_of_an_invoice_has_its_name() {
    let server = Recorder::answering(201, "{}").await;
    let one = |kind, text: &str| ManualInvoiceItemInput {
        is_discount: Some(true),
        discount_type: Some(kind),
        applies_to_item_id: Some(format!("item-{text}")),
        applies_to_service_id: Some(format!("service-{text}")),
        ..item(1.0)
    };
    let input = CreateManualInvoiceInput {
        invoice_date: Some("2026-01-02".to_owned()),
        due_date: Some("2026-02-02".to_owned()),
        po_number: Some("PO".to_owned()),
        ..invoice(vec![one(DiscountType::Percentage, "a"), one(DiscountType::Fixed, "b")])
    };

    make(&mut host(&server), input).await;

    let item = |kind: &str, text: &str| {
        json!({"serviceId": "service-1", "quantity": 1.0, "description": "An hour", "rate": 9900.0,
            "isDiscount": true, "discountType": kind, "appliesToItemId": format!("item-{text}"),
            "appliesToServiceId": format!("service-{text}")})
    };
    assert_eq!(
        server.json(),
        json!({"operation": "createManualInvoice", "clientId": "client-1",
            "items": [item("percentage", "a"), item("fixed", "b")],
            "invoiceDate": "2026-01-02", "dueDate": "2026-02-02", "poNumber": "PO"})
    );
}

#[tokio::test]
async fn an_invoice_is_read_flat_and_with_other_names_too() {
    for answer in [
        json!({"success": true, "invoice": {"invoice_id": "i", "invoice_number": "n"}}),
        json!({"success": true, "invoiceId": "i", "invoiceNumber": "n", "total": null}),
        json!({"success": true, "invoice_id": "i", "invoice_number": "n", "invoice": null}),
    ] {
        let server = Recorder::answering(200, answer.to_string()).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        let texts = [made.invoice_id.as_deref(), made.invoice_number.as_deref()];
        assert_eq!(
            (made.success, texts, made.total),
            (true, [Some("i"), Some("n")], None),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_invoice_that_was_not_made_says_why() {
    let said = r#"{"success":false,"error":"no","fieldErrors":{"items":"none"}}"#;
    for (status, body, error, faults) in [
        (400, said, format!("http 400: {said}"), None),
        (500, "oh", "http 500: oh".to_owned(), None),
        (302, "", "http 302: ".to_owned(), None),
        (200, said, "no".to_owned(), Some(r#"{"items":"none"}"#)),
        (200, r#"{"success":false,"fieldErrors":"f"}"#, String::new(), Some("f")),
    ] {
        let server = Recorder::answering(status, body).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        assert!(!made.success && made.invoice_id.is_none(), "{body}");
        assert_eq!((made.error, made.field_errors.as_deref()), (Some(error), faults), "{body}");
    }
    for body in [
        "",
        "no JSON",
        "{}",
        "[]",
        r#"{"success":"true","invoice":{"invoiceId":"i"}}"#,
        r#"{"success":true}"#,
        r#"{"success":true,"invoice":"i"}"#,
        r#"{"success":true,"invoice":{"invoiceId":7}}"#,
        r#"{"success":true,"invoice":{"invoiceId":"i","total":"7"}}"#,
        r#"{"success":false,"error":7}"#,
    ] {
        let server = Recorder::answering(201, body).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        let error = "the host application's answer is not as agreed";
        assert_eq!((made.success, made.error.as_deref()), (false, Some(error)), "{body}");
    }
}

#[tokio::test]
async fn a_quantity_that_is_no_number_is_not_sent() {
    let server = Recorder::answering(201, "").await;
    for quantity in [f64::NAN, f64::INFINITY] {
        let made = make(&mut host(&server), invoice(vec![item(1.0), item(quantity)])).await;
        assert_eq!(made.error.as_deref(), Some("quantity and rate must be numbers"));
    }
    assert_eq!(server.requests().len(), 0);
}
