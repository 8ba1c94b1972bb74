//! What the loop adds to a step: a model and a screen that take no time, the journal on the disk.
fn main() {
    divan::main();
}
