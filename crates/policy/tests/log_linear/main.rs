//! The log-linear class: known answers, laws and edges.

mod edges;
mod extremes;
mod instances;
mod known_answers;
mod laws;
