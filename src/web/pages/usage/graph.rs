//! Bars over time, drawn as inline SVG without a style or a script.

use std::fmt::Write as _;

/// Units of the drawing: a slot is 4 wide, its bar 3.
const SLOT: usize = 4;
const BAR: usize = 3;
const HEIGHT: f64 = 48.0;
/// A bar that is not nothing can be seen.
const LEAST: f64 = 1.5;

/// One row of bars, as wide as it has slots.
#[derive(Clone, Debug)]
pub struct Graph {
    /// For its title and description.
    pub id: String,
    pub title: &'static str,
    /// What the bars come to, in words.
    pub figure: String,
    /// How to read it.
    pub hint: &'static str,
    above: Vec<(&'static str, Vec<u64>)>,
    below: Vec<(&'static str, Vec<u64>)>,
}

/// All bars of one kind, as the data of one path.
#[derive(Clone, Debug)]
pub struct Bars {
    pub class: &'static str,
    pub path: String,
}

impl Graph {
    pub(super) fn new(id: String, title: &'static str, figure: String) -> Self {
        Self { id, title, figure, hint: "", above: Vec::new(), below: Vec::new() }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Bars that stand on the line, before those that were added earlier.
    pub(super) fn bars(mut self, class: &'static str, values: &[u64]) -> Self {
        self.above.push((class, values.to_vec()));
        self
    }

    /// Bars that hang from the line.
    pub(super) fn below(mut self, class: &'static str, values: &[u64]) -> Self {
        self.below.push((class, values.to_vec()));
        self
    }

    /// How wide the drawing is.
    pub fn width(&self) -> usize {
        self.above.iter().map(|(_, values)| values.len() * SLOT).max().unwrap_or(SLOT)
    }

    /// How high the drawing is.
    pub fn height(&self) -> f64 {
        HEIGHT
    }

    /// Where the line is, from above.
    pub fn line(&self) -> f64 {
        let (above, below) = (tallest(&self.above), tallest(&self.below));
        if above + below == 0.0 { HEIGHT } else { HEIGHT * above / (above + below) }
    }

    /// What to draw, in this order.
    pub fn paths(&self) -> Vec<Bars> {
        let (line, whole) = (self.line(), tallest(&self.above) + tallest(&self.below));
        let path = |values: &[u64], hang: bool| {
            let mut path = String::new();
            for (slot, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                let height = (HEIGHT * float(*value) / whole).max(LEAST);
                let top = if hang { line } else { line - height };
                // Writing to a string cannot fail.
                let _ = write!(path, "M{} {top:.1}h{BAR}v{height:.1}h-{BAR}z", slot * SLOT);
            }
            path
        };
        let above = self.above.iter().map(|(class, values)| (*class, path(values, false)));
        let below = self.below.iter().map(|(class, values)| (*class, path(values, true)));
        let drawn = above.chain(below).filter(|(_, path)| !path.is_empty());
        drawn.map(|(class, path)| Bars { class, path }).collect()
    }
}

fn tallest(series: &[(&'static str, Vec<u64>)]) -> f64 {
    float(series.iter().flat_map(|(_, values)| values).copied().max().unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more than it shows")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        Graph::new("id".to_owned(), "Calls", "7".to_owned())
    }

    #[test]
    fn bars_stand_on_the_line_and_failures_hang_from_it() {
        let graph = graph().bars("lit", &[2, 0, 4]).below("broken", &[0, 2, 0]);

        assert!((graph.line() - 32.0).abs() < 0.01, "{}", graph.line());
        assert_eq!(graph.width(), 12);
        let paths: Vec<_> = graph.paths().into_iter().map(|bars| (bars.class, bars.path)).collect();
        let expected = [
            ("lit", "M0 16.0h3v16.0h-3zM8 0.0h3v32.0h-3z".to_owned()),
            ("broken", "M4 32.0h3v16.0h-3z".to_owned()),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_small_bar_can_be_seen_and_nothing_is_not_drawn() {
        let graph = graph().bars("lit", &[1, 1_000_000, 0]);

        assert_eq!(graph.paths()[0].path, "M0 46.5h3v1.5h-3zM4 0.0h3v48.0h-3z");
        assert!(self::graph().bars("lit", &[0, 0]).paths().is_empty());
    }
}
