//! Clients and services: what is sent, and what of the answer is read.

use super::*;

#[tokio::test]
async fn clients_are_listed_and_read() {
    let least =
        json!({"clientId": "c", "clientName": "C", "isInactive": false, "clientType": null});
    let most = json!({"clientId": "d", "clientName": "D", "isInactive": true, "clientType": "t",
        "defaultCurrencyCode": "EUR", "accountManagerId": "m", "accountManagerName": "M",
        "billingEmail": "b@example.test", "more": 1});
    let answer = json!({"items": [least, most], "totalCount": 9, "page": 2, "pageSize": 7});
    let server = Recorder::answering(200, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();
    let input = ClientsListInput {
        search: Some("x".to_owned()),
        include_inactive: Some(false),
        page: Some(2),
        page_size: Some(7),
    };

    let list = clients::Host::list_clients(&mut host, input).await.unwrap().unwrap();

    assert_eq!((list.total_count, list.page, list.page_size), (9, 2, 7));
    let [first, second] = &list.items[..] else { panic!("{:?}", list.items) };
    assert_eq!(
        (&*first.client_id, first.client_type.is_none(), first.is_inactive),
        ("c", true, false)
    );
    let texts = [&second.client_type, &second.default_currency_code, &second.account_manager_id];
    assert_eq!(texts.map(Option::as_deref), [Some("t"), Some("EUR"), Some("m")]);
    let texts = [&second.account_manager_name, &second.billing_email];
    assert_eq!(texts.map(Option::as_deref), [Some("M"), Some("b@example.test")]);
    let (line, ..) = server.request();
    assert_eq!(line, format!("POST /api/internal/ext-clients/install/{install} HTTP/1.1"));
    assert_eq!(
        server.json(),
        json!({"operation": "list", "user": {"userId": "user-1", "userType": "client"},
            "input": {"search": "x", "includeInactive": false, "page": 2, "pageSize": 7}})
    );

    let one = Recorder::answering(200, json!({"item": most}).to_string()).await;
    let got = clients::Host::get_client(&mut self::host(&one), "d".to_owned()).await;
    assert_eq!(got.unwrap().unwrap().unwrap().client_name, "D");
    assert_eq!(
        one.json(),
        json!({"operation": "get", "user": {"userId": "user-1", "userType": "client"},
            "input": {"clientId": "d"}})
    );
}

#[tokio::test]
async fn services_are_listed_and_read() {
    let service = json!({"serviceId": "s", "serviceName": "S", "itemKind": "product",
        "billingMethod": "usage", "serviceTypeId": "t", "serviceTypeName": "T", "defaultRate": 5,
        "unitOfMeasure": "hour", "isActive": true, "sku": "k"});
    let answer = json!({"items": [service], "totalCount": 1, "page": 1, "pageSize": 25});
    let server = Recorder::answering(200, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();
    let input = ServicesListInput {
        search: Some("x".to_owned()),
        item_kind: Some(ServiceItemKind::Service),
        is_active: Some(true),
        billing_method: Some(ServiceBillingMethod::Hourly),
        ..ANY_SERVICES
    };

    let list = services::Host::list_services(&mut host, input).await.unwrap().unwrap();

    let [got] = &list.items[..] else { panic!("{:?}", list.items) };
    assert_eq!(
        (got.item_kind, got.billing_method, got.sku.as_deref()),
        (ServiceItemKind::Product, ServiceBillingMethod::Usage, Some("k"))
    );
    assert!((got.default_rate - 5.0).abs() < f64::EPSILON && got.is_active);
    let (line, ..) = server.request();
    assert_eq!(line, format!("POST /api/internal/ext-services/install/{install} HTTP/1.1"));
    assert_eq!(
        server.json(),
        json!({"operation": "list", "user": {"userId": "user-1", "userType": "client"},
            "input": {"search": "x", "itemKind": "service", "isActive": true,
                "billingMethod": "hourly", "page": 1, "pageSize": 25}})
    );

    let none = Recorder::answering(200, r#"{"item":null}"#).await;
    // Nobody asks: nobody is named, in the body or in the head.
    let mut host = self::host(&none);
    host.user = None;
    let got = services::Host::get_service(&mut host, "s".to_owned()).await;
    assert!(got.unwrap().unwrap().is_none());
    assert_eq!(none.json(), json!({"operation": "get", "input": {"serviceId": "s"}}));
    assert!(!none.request().1.contains("x-user"), "{:?}", none.request());
}

#[tokio::test]
async fn what_was_not_said_is_not_sent_and_a_page_has_its_defaults() {
    let server = Recorder::answering(500, "").await;
    clients::Host::list_clients(&mut host(&server), ANY_CLIENTS).await.unwrap().unwrap_err();
    assert_eq!(server.json()["input"], json!({"page": 1, "pageSize": 25}));
    let server = Recorder::answering(500, "").await;
    services::Host::list_services(&mut host(&server), ANY_SERVICES).await.unwrap().unwrap_err();
    assert_eq!(server.json()["input"], json!({"page": 1, "pageSize": 25}));
}

#[tokio::test]
async fn a_page_that_cannot_be_is_not_asked_for() {
    let server = Recorder::answering(500, "").await;
    let mut host = host(&server);
    for (page, page_size) in [(Some(0), None), (None, Some(0)), (Some(1), Some(101))] {
        let input = ClientsListInput { page, page_size, ..ANY_CLIENTS };
        let got = clients::Host::list_clients(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::InvalidInput), "{page:?} {page_size:?}");
        let input = ServicesListInput { page, page_size, ..ANY_SERVICES };
        let got = services::Host::list_services(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::InvalidInput), "{page:?} {page_size:?}");
    }
    assert_eq!(server.requests().len(), 0);
    for page_size in [1, 100] {
        let input = ClientsListInput { page_size: Some(page_size), ..ANY_CLIENTS };
        let got = clients::Host::list_clients(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{page_size}");
    }
}

#[tokio::test]
async fn each_status_of_a_read_has_its_case() {
    for (status, client, service) in [
        (400, ClientReadError::InvalidInput, ServiceReadError::InvalidInput),
        (401, ClientReadError::NotAllowed, ServiceReadError::NotAllowed),
        (403, ClientReadError::NotAllowed, ServiceReadError::NotAllowed),
        (404, ClientReadError::Internal, ServiceReadError::Internal),
        (307, ClientReadError::Internal, ServiceReadError::Internal),
        (422, ClientReadError::Internal, ServiceReadError::Internal),
        (500, ClientReadError::Internal, ServiceReadError::Internal),
    ] {
        let server = Recorder::answering(status, r#"{"item":null}"#).await;
        let mut host = host(&server);
        let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(client), "{status}");
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(service), "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_as_agreed_is_internal() {
    let odd = json!({"serviceId": "s", "serviceName": "S", "itemKind": "odd",
        "billingMethod": "usage", "defaultRate": 5, "unitOfMeasure": "h", "isActive": true});
    for body in ["", "{}", "[]", r#"{"item":7}"#, &json!({"item": odd}).to_string()] {
        let server = Recorder::answering(200, body).await;
        let mut host = host(&server);
        let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{body}");
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::Internal), "{body}");
        let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{body}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_none_and_an_answer_without_the_key_is_no_answer() {
    for (body, got) in [(r#"{"item":null}"#, Ok(true)), ("{}", Err(ClientReadError::Internal))] {
        let server = Recorder::answering(200, body).await;
        let client = clients::Host::get_client(&mut host(&server), "c".to_owned()).await.unwrap();
        assert_eq!(client.map(|client| client.is_none()), got, "{body}");
    }
}
