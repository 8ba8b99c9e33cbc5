//! Devices: heartbeats, pauses, where their clips go, and their end.
use super::device::{Device, DeviceView};
use super::world::World;
use crate::clock::Moment;
use crate::error::SimError;

/// One heartbeat a minute at most, and a second of mercy for the timer and the way.
const HEARTBEAT_MS: u64 = 60_000;
const MERCY_MS: u64 = 1000;

impl World {
    pub(crate) fn device_mut(&mut self, client_id: &str) -> Result<&mut Device, SimError> {
        let paired = self.devices.get_mut(client_id).filter(|device| !device.forgotten);
        paired.ok_or_else(|| SimError::NoSuchDevice(client_id.to_owned()))
    }

    pub(crate) fn device_views(&self, now: Moment) -> Vec<DeviceView> {
        self.devices.values().map(|device| device.view(now)).collect()
    }

    /// Forgets the device: its tokens die, its entry stays and says so.
    pub(crate) fn forget(&mut self, client_id: &str) -> Result<(), SimError> {
        self.device_mut(client_id)?.forgotten = true;
        self.kill_tokens(client_id);
        Ok(())
    }

    /// Opens a pause window now; a second pause changes nothing.
    pub(crate) fn pause(&mut self, client_id: &str, now: Moment) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        if !device.paused_now() {
            device.pauses.push((now.ms.cast_signed(), None));
        }
        Ok(())
    }

    /// Closes the pause window, if one is open.
    pub(crate) fn resume(&mut self, client_id: &str, now: Moment) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        for (_, end) in &mut device.pauses {
            end.get_or_insert(now.ms.cast_signed());
        }
        Ok(())
    }

    /// Writes a pause of the past into the record: it began `from` and ended `until` seconds ago.
    pub(crate) fn paused_before(
        &mut self,
        client_id: &str,
        from: u64,
        until: u64,
        now: Moment,
    ) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        let ago = |s: u64| now.ms.cast_signed().saturating_sub_unsigned(s.saturating_mul(1000));
        device.pauses.push((ago(from), Some(ago(until))));
        device.pauses.sort_by_key(|(start, _)| *start);
        Ok(())
    }

    /// Moves the device to another project, as after a new pairing elsewhere.
    pub(crate) fn move_device(&mut self, client_id: &str, project: &str) -> Result<(), SimError> {
        let project = self.project(project)?;
        self.device_mut(client_id)?.project = project;
        Ok(())
    }

    /// Counts a heartbeat. `Err` with the seconds since the last one if that is too few.
    pub(crate) fn heartbeat(&mut self, client_id: &str, now: Moment) -> Result<Option<u64>, u64> {
        let Some(device) = self.devices.get_mut(client_id) else { return Ok(None) };
        let beats = &mut device.heartbeats;
        let waited = beats.last_ms.map(|last| now.ms.saturating_sub(last));
        beats.count += 1;
        beats.last_ms = Some(now.ms);
        beats.last = Some(now.wall.to_string());
        if let Some(waited) = waited.filter(|waited| waited + MERCY_MS < HEARTBEAT_MS) {
            beats.too_soon += 1;
            let seconds = waited / 1000;
            self.violation(format!(
                "heartbeat too soon: {client_id} sent two within {seconds} s; one a minute at most"
            ));
            return Err(seconds);
        }
        Ok(waited.map(|waited| waited / 1000))
    }
}
