//! Token life: issue, single-use refresh, revocation, and who a bearer token belongs to.
use serde_json::{Value, json};

use super::token::{Token, TokenKind, TokenState};
use super::world::World;
use crate::clock::Moment;
use crate::form::Fields;
use crate::reply::Reply;
use crate::secret;

/// Dead tokens are remembered, to tell "burnt" from "never seen"; beyond this number the oldest are dropped.
const KEEP_TOKENS: usize = 20_000;

impl World {
    /// Issues a new pair and returns the token answer. `instead_of` is the refresh token it replaces.
    pub(super) fn issue(&mut self, client_id: &str, instead_of: Option<&str>, now: Moment) -> Value {
        let generation = self.next_serial();
        for (value, token) in &mut self.tokens {
            if token.client_id == client_id && token.state == TokenState::Live {
                let burnt = TokenState::Burnt { generation, by_test: false, replays: 0 };
                token.state = if Some(value.as_str()) == instead_of { burnt } else { TokenState::Dead };
            }
        }
        let lives = self.rules.lives;
        let mut mint = |word: &str, kind, seconds: u64| {
            let value = secret::mint(word, &self.rules.marker);
            let expires_ms = now.ms.saturating_add(seconds.saturating_mul(1000));
            let client_id = client_id.to_owned();
            let token =
                Token { kind, client_id, state: TokenState::Live, expires_ms, generation, used: false };
            self.tokens.insert(value.clone(), token);
            value
        };
        let access = mint("access", TokenKind::Access, lives.access_expires_in);
        let refresh = mint("refresh", TokenKind::Refresh, lives.refresh_expires_in);
        self.drop_oldest_tokens();
        json!({
            "access_token": access,
            "expires_in": lives.access_expires_in,
            "refresh_token": refresh,
            "token_type": "bearer",
        })
    }

    fn drop_oldest_tokens(&mut self) {
        if self.tokens.len() > KEEP_TOKENS {
            let limit = self.serial.saturating_sub(KEEP_TOKENS as u64 / 4);
            self.tokens.retain(|_, token| token.state == TokenState::Live || token.generation >= limit);
        }
    }

    pub(super) fn kill_tokens(&mut self, client_id: &str) {
        let own = self.tokens.values_mut().filter(|token| token.client_id == client_id);
        own.for_each(|token| token.state = TokenState::Dead);
    }

    /// The refresh grant. On success the old access and refresh token are dead before the answer leaves.
    pub(crate) fn refresh(&mut self, form: &Fields, now: Moment) -> Result<Value, Reply> {
        let get = |name: &str| form.get(name).filter(|value| !value.is_empty());
        let (Some(client_id), Some(given), Some(presented)) =
            (get("client_id"), get("client_secret"), get("refresh_token"))
        else {
            return Err(Reply::oauth("bad_request"));
        };
        if *given != self.rules.client_secret {
            return Err(Reply::oauth("invalid_client"));
        }
        let known = self.tokens.get_mut(presented.as_str());
        let Some(token) = known.filter(|token| token.kind == TokenKind::Refresh) else {
            return Err(Reply::unauthorized());
        };
        if token.client_id != *client_id {
            return Err(Reply::oauth("invalid_client"));
        }
        token.used = true;
        let generation = token.generation;
        match &mut token.state {
            TokenState::Dead => Err(Reply::unauthorized()),
            TokenState::Burnt { by_test: true, .. } => Err(Reply::oauth("invalid_request")),
            TokenState::Burnt { generation: successor, replays, .. } => {
                *replays += 1;
                let (successor, replays) = (*successor, *replays);
                self.replayed(client_id, successor, replays);
                Err(Reply::oauth("invalid_request"))
            }
            TokenState::Live if token.expires_ms <= now.ms => Err(Reply::oauth("invalid_grant")),
            TokenState::Live => {
                self.mark_used(generation);
                if let Some(device) = self.devices.get_mut(client_id.as_str()) {
                    device.seen(now, None);
                }
                Ok(self.issue(client_id, Some(presented), now))
            }
        }
    }

    fn replayed(&mut self, client_id: &str, successor: u64, replays: u32) {
        let pair = self.tokens.values().filter(|token| token.generation == successor);
        let used = pair.clone().count() == 0 || pair.into_iter().any(|token| token.used);
        let story =
            if used { "its successor was used" } else { "its successor was never used (lost answer)" };
        self.violation(format!("replayed burnt refresh token: {client_id}, {story}, replay {replays}"));
    }

    fn mark_used(&mut self, generation: u64) {
        let pair = self.tokens.values_mut().filter(|token| token.generation == generation);
        pair.for_each(|token| token.used = true);
    }

    /// The device a bearer token belongs to, or the 401 of the papers. Marks the device as seen.
    pub(crate) fn bearer(
        &mut self,
        presented: Option<&str>,
        version: Option<&str>,
        now: Moment,
    ) -> Result<String, Reply> {
        let token = presented.and_then(|value| self.tokens.get_mut(value)).ok_or_else(Reply::unauthorized)?;
        token.used = true;
        let fresh = token.state == TokenState::Live && token.expires_ms > now.ms;
        if token.kind != TokenKind::Access || !fresh {
            return Err(Reply::unauthorized());
        }
        let client_id = token.client_id.clone();
        match self.devices.get_mut(&client_id) {
            Some(device) if !device.forgotten => device.seen(now, version),
            Some(_) | None => return Err(Reply::unauthorized()),
        }
        Ok(client_id)
    }

    /// Whose token this is, dead or alive; only for the log.
    pub(crate) fn owner(&self, presented: &str) -> Option<String> {
        self.tokens.get(presented).map(|token| token.client_id.clone())
    }

    /// The device revokes itself with either of its tokens.
    pub(crate) fn revoke_by_token(&mut self, form: &Fields) -> Result<Value, Reply> {
        let get = |name: &str| form.get(name).filter(|value| !value.is_empty());
        let (Some(client_id), Some(given), Some(presented)) =
            (get("client_id"), get("client_secret"), get("token"))
        else {
            return Err(Reply::oauth("bad_request"));
        };
        if *given != self.rules.client_secret {
            return Err(Reply::oauth("invalid_client"));
        }
        let own = self.tokens.get(presented).is_some_and(|token| token.client_id == *client_id);
        if own {
            let client_id = client_id.clone();
            // RFC 7009: revoking what is dead already succeeds too.
            let _already = self.forget(&client_id);
        }
        Ok(json!({ "success": true }))
    }

    /// Burns the device's refresh token as if somebody else had used it. `None` if it has none.
    pub(crate) fn burn_refresh(&mut self, client_id: &str) -> Option<()> {
        let live = |token: &&mut Token| {
            token.client_id == client_id
                && token.kind == TokenKind::Refresh
                && token.state == TokenState::Live
        };
        let token = self.tokens.values_mut().find(live)?;
        token.state = TokenState::Burnt { generation: token.generation, by_test: true, replays: 0 };
        Some(())
    }

    /// Ends the access token now; the refresh token stays good. `None` if it has none.
    pub(crate) fn expire_access(&mut self, client_id: &str, now: Moment) -> Option<()> {
        let live = |token: &&mut Token| {
            token.client_id == client_id && token.kind == TokenKind::Access && token.state == TokenState::Live
        };
        self.tokens.values_mut().find(live)?.expires_ms = now.ms;
        Some(())
    }
}
