//! Errors as docker answers them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kiln_engine::BuildError;
use kiln_engine::Kind;
use serde_json::json;

/// A request that failed before its answer began.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened.
    pub message: String,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            message: message.into(),
        }
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, message)
    }

    /// A login that isn't one.
    pub fn unauthorized(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, message)
    }

    /// It is in the way.
    pub fn conflict(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, message)
    }

    /// It failed here.
    pub fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Docker has it, Kiln doesn't.
    pub fn absent(what: &str) -> ApiError {
        let text = format!("{what} is not supported by kiln serve");
        ApiError::new(StatusCode::NOT_IMPLEMENTED, text)
    }

    /// What only a swarm has; clients know this answer.
    pub fn no_swarm() -> ApiError {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This node is not a swarm manager. Kiln has no swarm.",
        )
    }
}

impl From<BuildError> for ApiError {
    fn from(e: BuildError) -> ApiError {
        let status = match e.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            // Clients that are told "unauthorized" ask for a password on the terminal.
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::Other | Kind::Command(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ApiError::new(status, e.to_string())
    }
}

impl From<kiln_engine::containers::Failure> for ApiError {
    fn from(f: kiln_engine::containers::Failure) -> ApiError {
        // A command that isn't there, or can't be executed.
        let unfit = f.code == 126 || f.code == 127;
        let error = ApiError::from(*f.error);
        match unfit {
            true => ApiError::invalid(error.message),
            false => error,
        }
    }
}

impl From<kiln_store::StoreError> for ApiError {
    fn from(e: kiln_store::StoreError) -> ApiError {
        BuildError::from(e).into()
    }
}

impl From<kiln_oci::OciError> for ApiError {
    fn from(e: kiln_oci::OciError) -> ApiError {
        BuildError::from(e).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}
