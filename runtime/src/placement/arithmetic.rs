//! Which nodes of an ONNX file compute with floating-point numbers, and which only with shapes, masks and
//! indices.
//!
//! ONNX Runtime's record of where nodes went has their names and operators, not their types, and an `Add` may
//! be either. The file has the types of inputs, weights and (mostly) of what is between them; the rest follows
//! from the operators, in the order of the nodes, which is topological
//! (<https://github.com/onnx/onnx/blob/main/docs/IR.md>).

use std::{collections::HashMap, fs::File, io, path::Path};

use crate::protobuf::{Fields, Value};

/// What a file says about its main graph's nodes.
#[derive(Debug, Default)]
pub(super) struct Arithmetic {
    /// By name and operator. Nodes that share both count as floating if one of them is.
    nodes: HashMap<(String, String), bool>,
}

/// Operators that look at a tensor's shape alone, whatever its elements are.
const SHAPE_READERS: &[&str] = &["Shape", "Size"];

/// Operators whose result is of integers or truth values, whatever goes in.
const TO_INTEGERS: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "BitShift",
    "ConvInteger",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "MatMulInteger",
    "NonZero",
    "Not",
    "Or",
    "QuantizeLinear",
    "Shape",
    "Size",
    "Xor",
];

/// Operators whose result has the type of another input than the first, by its place.
const LIKE_INPUT: &[(&str, usize)] =
    &[("CastLike", 1), ("DequantizeLinear", 1), ("GatherBlockQuantized", 2), ("OneHot", 2), ("Where", 1)];

impl Arithmetic {
    /// Reads a file's graph; its weights are stepped over.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is no ONNX file.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        let mut fields = Fields::new(file);
        let (mut floating, mut nodes) = (HashMap::new(), Vec::new());
        while let Some((field, value)) = fields.next(end)? {
            if field == model::GRAPH {
                let end = fields.message(value)?;
                graph(&mut fields, end, &mut floating, &mut nodes)?;
            } else {
                fields.skip(value)?;
            }
        }
        let mut found = Self::default();
        for node in nodes {
            let is_floating = node.settle(&mut floating);
            *found.nodes.entry((node.name, node.operator)).or_default() |= is_floating;
        }
        Ok(found)
    }

    /// Whether a node of a session computes with floating-point numbers. One that isn't in the file (an
    /// optimiser made it) counts as floating, unless its operator looks at shapes only.
    pub(super) fn is_floating(&self, name: &str, operator: &str) -> bool {
        let known = self.nodes.get(&(name.to_owned(), operator.to_owned()));
        known.copied().unwrap_or_else(|| !SHAPE_READERS.contains(&operator))
    }
}

/// Field numbers of `onnx.proto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>).
mod model {
    pub(super) const GRAPH: u64 = 7;
    pub(super) mod graph {
        pub(crate) const NODE: u64 = 1;
        pub(crate) const INITIALIZER: u64 = 5;
        pub(crate) const INPUT: u64 = 11;
        pub(crate) const OUTPUT: u64 = 12;
        pub(crate) const VALUE: u64 = 13;
    }
    pub(super) mod node {
        pub(crate) const INPUT: u64 = 1;
        pub(crate) const OUTPUT: u64 = 2;
        pub(crate) const NAME: u64 = 3;
        pub(crate) const OPERATOR: u64 = 4;
        pub(crate) const ATTRIBUTE: u64 = 5;
    }
    pub(super) mod attribute {
        pub(crate) const NAME: u64 = 1;
        pub(crate) const INTEGER: u64 = 3;
        pub(crate) const TENSOR: u64 = 5;
    }
    pub(super) mod tensor {
        pub(crate) const ELEMENT: u64 = 2;
        pub(crate) const NAME: u64 = 8;
    }
    pub(super) mod value {
        pub(crate) const NAME: u64 = 1;
        pub(crate) const TYPE: u64 = 2;
        pub(crate) const TENSOR_TYPE: u64 = 1;
        pub(crate) const ELEMENT: u64 = 1;
    }
}

/// Whether `TensorProto.DataType` has a point: float, float16, double, complex, bfloat16, the eight-bit and
/// four-bit ones.
fn has_point(element: u64) -> bool {
    matches!(element, 1 | 10 | 11 | 14..=20 | 23 | 24)
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    operator: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// What an attribute says about the type of the result: `to`, `dtype`, `value…`.
    declared: Option<bool>,
}

impl Node {
    /// Notes the types of this node's results; whether it computes with floating-point numbers. What can't be
    /// told counts as floating.
    fn settle(&self, floating: &mut HashMap<String, bool>) -> bool {
        let of =
            |name: &String, floating: &HashMap<String, bool>| floating.get(name).copied().unwrap_or(true);
        let like =
            LIKE_INPUT.iter().find(|(operator, _)| *operator == self.operator).map_or(0, |(_, place)| *place);
        let result = if TO_INTEGERS.contains(&self.operator.as_str()) {
            false
        } else if let Some(declared) = self.declared {
            declared
        } else {
            self.inputs.get(like).is_none_or(|name| of(name, floating))
        };
        for (place, output) in self.outputs.iter().enumerate() {
            // The second result of TopK is of indices.
            let result = result && !(self.operator == "TopK" && place == 1);
            floating.entry(output.clone()).or_insert(result);
        }
        let reads = || self.inputs.iter().any(|name| !name.is_empty() && of(name, floating));
        match self.operator.as_str() {
            operator if SHAPE_READERS.contains(&operator) => false,
            // Turning positions and masks into floats reads integers, of a size that most devices lack.
            "Cast" | "CastLike" => self.inputs.first().is_none_or(|name| of(name, floating)),
            _ => reads() || self.outputs.iter().any(|name| of(name, floating)),
        }
    }
}

fn graph(
    fields: &mut Fields<File>,
    end: u64,
    floating: &mut HashMap<String, bool>,
    nodes: &mut Vec<Node>,
) -> io::Result<()> {
    while let Some((field, value)) = fields.next(end)? {
        match field {
            model::graph::NODE => {
                let end = fields.message(value)?;
                nodes.push(node(fields, end)?);
            }
            model::graph::INITIALIZER => {
                let end = fields.message(value)?;
                let (name, element) = tensor(fields, end)?;
                floating.insert(name, element.is_none_or(has_point));
            }
            model::graph::INPUT | model::graph::OUTPUT | model::graph::VALUE => {
                let end = fields.message(value)?;
                if let (name, Some(element)) = declaration(fields, end)? {
                    floating.insert(name, has_point(element));
                }
            }
            _ => fields.skip(value)?,
        }
    }
    Ok(())
}

fn node(fields: &mut Fields<File>, end: u64) -> io::Result<Node> {
    let mut node = Node::default();
    while let Some((field, value)) = fields.next(end)? {
        match field {
            model::node::INPUT => node.inputs.push(fields.text(value)?),
            model::node::OUTPUT => node.outputs.push(fields.text(value)?),
            model::node::NAME => node.name = fields.text(value)?,
            model::node::OPERATOR => node.operator = fields.text(value)?,
            model::node::ATTRIBUTE => {
                let end = fields.message(value)?;
                node.declared = attribute(fields, end)?.or(node.declared);
            }
            _ => fields.skip(value)?,
        }
    }
    // Without a value this one is of zeros, and those are floats.
    if node.operator == "ConstantOfShape" {
        node.declared = node.declared.or(Some(true));
    }
    Ok(node)
}

/// What an attribute says about the type of its node's result, if it does.
fn attribute(fields: &mut Fields<File>, end: u64) -> io::Result<Option<bool>> {
    let (mut name, mut integer, mut element) = (String::new(), None, None);
    while let Some((field, value)) = fields.next(end)? {
        match (field, value) {
            (model::attribute::NAME, _) => name = fields.text(value)?,
            (model::attribute::INTEGER, Value::Number(number)) => integer = Some(number),
            (model::attribute::TENSOR, _) => {
                let end = fields.message(value)?;
                element = tensor(fields, end)?.1;
            }
            _ => fields.skip(value)?,
        }
    }
    Ok(match name.as_str() {
        "to" | "dtype" => integer.map(has_point),
        "value" => element.map(has_point),
        "value_float" | "value_floats" => Some(true),
        "value_int" | "value_ints" | "value_string" | "value_strings" => Some(false),
        _ => None,
    })
}

/// A weight's name and element type.
fn tensor(fields: &mut Fields<File>, end: u64) -> io::Result<(String, Option<u64>)> {
    let (mut name, mut element) = (String::new(), None);
    while let Some((field, value)) = fields.next(end)? {
        match (field, value) {
            (model::tensor::ELEMENT, Value::Number(number)) => element = Some(number),
            (model::tensor::NAME, _) => name = fields.text(value)?,
            _ => fields.skip(value)?,
        }
    }
    Ok((name, element))
}

/// A value's name and, for a tensor, its element type.
fn declaration(fields: &mut Fields<File>, end: u64) -> io::Result<(String, Option<u64>)> {
    let (mut name, mut element) = (String::new(), None);
    while let Some((field, value)) = fields.next(end)? {
        match field {
            model::value::NAME => name = fields.text(value)?,
            model::value::TYPE => {
                let end = fields.message(value)?;
                while let Some((field, value)) = fields.next(end)? {
                    if field != model::value::TENSOR_TYPE {
                        fields.skip(value)?;
                        continue;
                    }
                    let end = fields.message(value)?;
                    while let Some((field, value)) = fields.next(end)? {
                        match (field, value) {
                            (model::value::ELEMENT, Value::Number(number)) => element = Some(number),
                            _ => fields.skip(value)?,
                        }
                    }
                }
            }
            _ => fields.skip(value)?,
        }
    }
    Ok((name, element))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operator: &str, inputs: &[&str], declared: Option<bool>) -> Node {
        Node {
            name: "node".to_owned(),
            operator: operator.to_owned(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec!["out".to_owned()],
            declared,
        }
    }

    #[test]
    fn a_node_floats_by_what_it_reads_and_gives() {
        // Operator, inputs, what an attribute declares; whether the node floats, and whether its result does.
        type Case = (&'static str, &'static [&'static str], Option<bool>, bool, bool);
        let cases: [Case; 14] = [
            ("Add", &["float", "float"], None, true, true),
            ("Add", &["whole", "whole"], None, false, false),
            ("Add", &["unknown"], None, true, true),
            ("Shape", &["float"], None, false, false),
            ("Size", &["unknown"], None, false, false),
            ("Gather", &["float", "whole"], None, true, true),
            ("Gather", &["whole", "whole"], None, false, false),
            ("Less", &["float", "float"], None, true, false),
            ("Less", &["whole", "whole"], None, false, false),
            ("Cast", &["whole"], Some(true), false, true),
            ("Cast", &["float"], Some(false), true, false),
            ("Where", &["whole", "float", "float"], None, true, true),
            ("DequantizeLinear", &["whole", "float"], None, true, true),
            ("Constant", &[], Some(false), false, false),
        ];
        for (operator, inputs, declared, floats, gives_floats) in cases {
            let mut known = HashMap::from([("float".to_owned(), true), ("whole".to_owned(), false)]);
            assert_eq!(node(operator, inputs, declared).settle(&mut known), floats, "{operator} {inputs:?}");
            assert_eq!(known["out"], gives_floats, "the result of {operator} {inputs:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_graph_is_an_error() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in ["Cargo.toml", "tests/data", "no such file"] {
            assert!(Arithmetic::read(&here.join(file)).is_err(), "{file}");
        }
    }
}
