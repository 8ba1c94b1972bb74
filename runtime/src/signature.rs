//! What a graph declares: its inputs and outputs, by name, kind of number and shape.

use std::fmt;

use ort::{
    session::Session,
    value::{Outlet, ValueType},
};

use crate::tensor::Element;

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this long.
    Fixed(usize),
    /// As long as each run makes it. The name may be empty, and means nothing beyond this graph.
    Named(String),
}

impl Dim {
    /// The length, where the graph says it.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => Some(*size),
            Dim::Named(_) => None,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => size.fmt(f),
            Dim::Named(name) if name.is_empty() => f.write_str("?"),
            Dim::Named(name) => f.write_str(name),
        }
    }
}

/// One declared input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// What its numbers are. `None`: a kind that this engine doesn't carry.
    pub element: Option<Element>,
    /// Its dimensions, outermost first.
    pub shape: Vec<Dim>,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", self.name)?;
        for (place, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if place == 0 { "" } else { ", " })?;
        }
        match self.element {
            Some(element) => write!(f, "] {element}"),
            None => f.write_str("] of another kind"),
        }
    }
}

/// A graph's inputs and outputs, in its own order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
}

impl Signature {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<&Port> {
        self.inputs.iter().find(|port| port.name == name)
    }

    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&Port> {
        self.outputs.iter().find(|port| port.name == name)
    }

    pub(crate) fn of(session: &Session) -> Self {
        Self {
            inputs: session.inputs().iter().map(port).collect(),
            outputs: session.outputs().iter().map(port).collect(),
        }
    }
}

fn port(outlet: &Outlet) -> Port {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
        return Port { name, element: None, shape: Vec::new() };
    };
    let shape = shape
        .iter()
        .zip(dimension_symbols.iter())
        .map(|(&size, symbol)| usize::try_from(size).map_or_else(|_| Dim::Named(symbol.clone()), Dim::Fixed))
        .collect();
    Port { name, element: Element::from_ort(*ty), shape }
}
