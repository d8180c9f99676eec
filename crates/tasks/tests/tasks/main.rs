//! What the tasks promise, checked from outside: `docs/tasks.md` is the definition.

mod blind;
mod configs;
mod golden;
mod properties;
mod scores;
mod solvers;
mod support;
