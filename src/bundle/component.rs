//! (skeleton)
pub struct ComponentError;
pub struct ComponentFacts;
pub fn inspect() {}
