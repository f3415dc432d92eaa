//! What the code of a module does with tables.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator};

/// What code does with tables, all of them together.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// It calls through these places.
    pub(super) called: BTreeSet<u32>,
    /// It calls through other places, or reads.
    pub(super) reads: bool,
    /// It writes to a table, or lets it grow.
    pub(super) changes: bool,
}

impl Uses {
    pub(super) fn of(bodies: &[FunctionBody<'_>]) -> Option<Self> {
        let mut uses = Self::default();
        for body in bodies {
            let mut before = None;
            for operator in body.get_operators_reader().ok()? {
                let operator = operator.ok()?;
                uses.see(before.as_ref(), &operator);
                before = Some(operator);
            }
        }
        Some(uses)
    }

    fn see(&mut self, before: Option<&Operator<'_>>, operator: &Operator<'_>) {
        match (before, operator) {
            // Nothing can jump between the two.
            (Some(Operator::I32Const { value }), Operator::CallIndirect { .. }) => {
                self.called.insert(value.cast_unsigned());
            }
            (_, operator) => {
                self.reads |= matches!(
                    operator,
                    Operator::CallIndirect { .. }
                        | Operator::ReturnCallIndirect { .. }
                        | Operator::TableGet { .. }
                        | Operator::TableSize { .. }
                );
                self.changes |= matches!(
                    operator,
                    Operator::TableSet { .. }
                        | Operator::TableGrow { .. }
                        | Operator::TableFill { .. }
                        | Operator::TableCopy { .. }
                        | Operator::TableInit { .. }
                );
            }
        }
    }
}
