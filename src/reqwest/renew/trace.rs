use super::Renewal;

/// Logs a rebuild that has ended.
pub(super) fn renewal(renewal: &Renewal) {
    match renewal {
        Renewal::Renewed { generation } => tracing::debug!(generation, "client renewed"),
        Renewal::Failed { error } => tracing::debug!(error = %error, "client not renewed"),
    }
}
