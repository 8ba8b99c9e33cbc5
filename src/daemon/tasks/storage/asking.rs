//! Questions, and their answers.
use tracing::debug;

use super::Storage;
use crate::http::Transport;
use rigpost_core::delivery::dialect::{Asked, Habits, Signer};
use rigpost_core::provider::wire::{Request, Response};
use rigpost_core::queue::upload::CreateError;

impl<T: Transport> Storage<T> {
    /// Asks, and once more with something else to show where this is refused. `None`: there is nothing to ask.
    pub(super) async fn ask<V>(
        &self,
        request: impl Fn(Signer<'_>) -> Option<Request>,
        mut read: impl FnMut(&Response) -> Result<V, CreateError>,
    ) -> Result<Option<V>, CreateError> {
        self.ask_and_learn(None, |signer, _| request(signer), |_, answer| read(answer)).await
    }

    /// The same; and once more by other habits, where the answer to what was `asked` tells of them.
    pub(super) async fn ask_and_learn<V>(
        &self,
        asked: Option<Asked<'_>>,
        request: impl Fn(Signer<'_>, Habits) -> Option<Request>,
        mut read: impl FnMut(Habits, &Response) -> Result<V, CreateError>,
    ) -> Result<Option<V>, CreateError> {
        let mut again = true;
        loop {
            let lease = self.keys.lease().await?;
            let (signer, habits) = (Signer { authority: &lease.authority, at: lease.at }, self.habits());
            let Some(question) = request(signer, habits) else { return Ok(None) };
            let name = question.name;
            let answer = self.transport.send(question).await.map_err(CreateError::Transient)?;
            debug!(request = name, status = answer.status, "answered");
            self.keys.heard(&answer).await;
            // Each has fewer than the one before.
            if let Some(others) = asked.and_then(|asked| self.dialect.learn(habits, asked, &answer)) {
                self.change_habits(|now| now.learned(habits, others));
                continue;
            }
            let may_be_keys = answer.status == 403 && self.keys.may_be_why(&lease).await;
            match read(habits, &answer) {
                Err(CreateError::Unauthorized) if !again => {
                    let why = match self.keys.are_own() {
                        true => "the storage does not take the key that is in the vault".to_owned(),
                        false => "the storage takes nothing that this rig's sign-in gives".to_owned(),
                    };
                    return Err(CreateError::Forbidden(why));
                }
                Err(CreateError::Unauthorized) => self.keys.doubt(&lease, &answer).await,
                Err(CreateError::Forbidden(_)) if again && may_be_keys => {
                    self.keys.doubt(&lease, &answer).await;
                }
                read => return read.map(Some),
            }
            again = false;
        }
    }
}
