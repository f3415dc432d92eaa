//! What a call of a component of the extension world takes with wasmtime and nothing else: a
//! fresh store, an instance, the call, and the drop of both. No HTTP, no limits, no threads.
//!
//! `bare COMPONENT CALLS [RESIDENT_BYTES]` prints nanoseconds of a processor for each call.
//! RESIDENT_BYTES of a used memory are cleared by hand (0: all of it is given back to the
//! kernel); which of them were written to the kernel tells where it can (Linux 6.7).

use std::time::Duration;
use std::{env, fs};

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentType, InstancePre, Lift, Linker, LinkerInstance, Lower, ResourceTable,
};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
    error::Context as _, format_err,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Calls before the counted ones.
const WARM_UP: u32 = 200;

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct ContextData {
    #[component(name = "request-id")]
    request_id: Option<String>,
    #[component(name = "tenant-id")]
    tenant_id: String,
    #[component(name = "extension-id")]
    extension_id: String,
    #[component(name = "install-id")]
    install_id: Option<String>,
    #[component(name = "version-id")]
    version_id: Option<String>,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct HttpHeader {
    name: String,
    value: String,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<HttpHeader>,
    body: Option<Vec<u8>>,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct ExecuteRequest {
    context: ContextData,
    http: HttpRequest,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct ExecuteResponse {
    status: u16,
    headers: Vec<HttpHeader>,
    body: Option<Vec<u8>>,
}

struct Guest {
    context: ContextData,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (component, calls, resident) = match &words[..] {
        [component, calls] => (component, calls, "0"),
        [component, calls, resident] => (component, calls, resident.as_str()),
        _ => return Err(format_err!("usage: bare COMPONENT CALLS [RESIDENT_BYTES]")),
    };
    let calls = calls.parse::<u32>().context("CALLS is a number")?;
    let resident = resident.parse::<usize>().context("RESIDENT_BYTES is a number")?;
    let engine = engine(resident)?;
    let component = Component::from_file(&engine, component)?;
    let bare = link(&engine, &component)?;
    let request = request();
    for _ in 0..WARM_UP {
        call(&bare, &request)?;
    }
    let before = processor_time()?;
    for _ in 0..calls {
        call(&bare, &request)?;
    }
    println!("{}", (processor_time()? - before).as_nanos() / u128::from(calls));
    Ok(())
}

fn engine(resident: usize) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .table_elements(20_000)
        .max_memory_size(64 << 20)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(resident);
    if resident > 0 {
        pool.pagemap_scan(Enabled::Auto);
    }
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .concurrency_support(false);
    Engine::new(&config)
}

/// With WASI, the two functions that a greeting takes, and traps in the place of the others.
fn link(engine: &Engine, component: &Component) -> Result<InstancePre<Guest>> {
    let mut linker: Linker<Guest> = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let is_ours = |(name, _): &(&str, _)| name.starts_with("alga:extension/");
    for (name, item) in component.component_type().imports(engine).filter(is_ours) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let mut instance = linker.instance(name)?;
        for (function, item) in interface.exports(engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                link_function(&mut instance, name, function)?;
            }
        }
    }
    linker.instantiate_pre(component)
}

fn link_function(
    instance: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    function: &str,
) -> Result<()> {
    match (interface, function) {
        ("alga:extension/context", "get-context") => {
            instance.func_wrap(function, |store, (): ()| Ok((store.data().context.clone(),)))
        }
        // Who keeps lines pays for it; here they are taken and let go.
        ("alga:extension/logging", "log-info") => {
            instance.func_wrap(function, |_, (_,): (String,)| Ok(()))
        }
        _ => {
            let name = format!("{interface}#{function}");
            instance.func_new(function, move |_, _, _, _| Err(format_err!("{name} was called")))
        }
    }
}

fn call(bare: &InstancePre<Guest>, request: &ExecuteRequest) -> Result<()> {
    let guest = Guest {
        context: request.context.clone(),
        wasi: WasiCtx::builder().build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(bare.engine(), guest);
    let instance = bare.instantiate(&mut store)?;
    let handler =
        instance.get_typed_func::<(&ExecuteRequest,), (ExecuteResponse,)>(&mut store, "handler")?;
    let (answer,) = handler.call(&mut store, (request,))?;
    let body = answer.body.unwrap_or_default();
    if answer.status == 200 && !answer.headers.is_empty() && body.starts_with(b"{\"greeting\":") {
        return Ok(());
    }
    Err(format_err!("status {} with {} bytes", answer.status, body.len()))
}

/// As the gateway gives a request of the bench to the extension.
fn request() -> ExecuteRequest {
    let header = |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
    ExecuteRequest {
        context: ContextData {
            request_id: Some("0199a7b5-6c1e-7d3a-8f00-5b2c9d4e6f10".into()),
            tenant_id: "default".into(),
            extension_id: "com.example.quickjs".into(),
            install_id: Some("0199a7b5-6c1e-7d3a-8f00-5b2c9d4e6f11".into()),
            version_id: Some("0199a7b5-6c1e-7d3a-8f00-5b2c9d4e6f12".into()),
        },
        http: HttpRequest {
            method: "GET".into(),
            url: "/greeting?name=Ada".into(),
            headers: vec![header("host", "127.0.0.1"), header("accept", "application/json")],
            body: None,
        },
    }
}

/// What this thread has had of a processor, as the kernel counts it for a server, too.
fn processor_time() -> Result<Duration> {
    let counted = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = counted.split(' ').next().context("schedstat is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
