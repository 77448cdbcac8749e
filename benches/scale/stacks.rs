//! What is compared.

/// What is around the service, or at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Bare,
    Layers,
}

impl Stack {
    pub(crate) const ALL: [Self; 2] = [Self::Bare, Self::Layers];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "no_layer",
            Self::Layers => "both_layers",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|stack| stack.name() == name).expect("a stack's name")
    }
}
