//! (skeleton, replaced by part/config)
pub struct Metrics;
impl Metrics {
    pub fn observe_request(&self, _r: &str, _s: u16, _d: std::time::Duration) {}
    pub fn encode(&self) -> String { String::new() }
}
