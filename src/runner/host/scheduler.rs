//! `scheduler`: the appliance runs nothing on a schedule yet.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::scheduler;
use crate::runner::bindings::types::{
    CreateScheduleInput, CreateScheduleResult, DeleteScheduleResult, EndpointInfo, ScheduleInfo,
    SchedulerError, UpdateScheduleInput, UpdateScheduleResult,
};

type Answer<T> = wasmtime::Result<Result<T, SchedulerError>>;

impl scheduler::Host for Host {
    async fn list_schedules(&mut self) -> Answer<Vec<ScheduleInfo>> {
        self.no_schedules()
    }

    async fn get_schedule(&mut self, _schedule_id: String) -> Answer<Option<ScheduleInfo>> {
        self.no_schedules()
    }

    async fn create_schedule(
        &mut self,
        _input: CreateScheduleInput,
    ) -> wasmtime::Result<CreateScheduleResult> {
        let error = Some(self.no_scheduler()?);
        Ok(CreateScheduleResult { success: false, schedule_id: None, error, field_errors: None })
    }

    async fn update_schedule(
        &mut self,
        _schedule_id: String,
        _input: UpdateScheduleInput,
    ) -> wasmtime::Result<UpdateScheduleResult> {
        let error = Some(self.no_scheduler()?);
        Ok(UpdateScheduleResult { success: false, error, field_errors: None })
    }

    async fn delete_schedule(
        &mut self,
        _schedule_id: String,
    ) -> wasmtime::Result<DeleteScheduleResult> {
        let error = Some(self.no_scheduler()?);
        Ok(DeleteScheduleResult { success: false, error })
    }

    async fn get_endpoints(&mut self) -> Answer<Vec<EndpointInfo>> {
        self.no_schedules()
    }
}

impl Host {
    fn no_schedules<T>(&mut self) -> Answer<T> {
        self.admit(Capability::SchedulerManage)?;
        Ok(Err(SchedulerError::Denied))
    }

    fn no_scheduler(&mut self) -> wasmtime::Result<String> {
        self.unavailable(Capability::SchedulerManage, "scheduling")
    }
}

#[cfg(test)]
mod tests {
    use super::scheduler::Host as _;
    use super::*;

    fn created() -> CreateScheduleInput {
        CreateScheduleInput {
            endpoint: "/nightly".to_owned(),
            cron: "0 3 * * *".to_owned(),
            timezone: None,
            enabled: None,
            name: None,
            payload: None,
        }
    }

    fn updated() -> UpdateScheduleInput {
        UpdateScheduleInput {
            endpoint: None,
            cron: None,
            timezone: None,
            enabled: Some(true),
            name: None,
            payload: None,
        }
    }

    #[tokio::test]
    async fn each_change_is_refused_in_the_words_of_the_contract() {
        let manage = Capability::SchedulerManage;
        for (grants, sentence) in [
            (&[][..], "Permission denied: cap:scheduler.manage not granted"),
            (&[manage], "scheduling is not available on this host"),
        ] {
            let mut host = Host::sample(grants);

            let errors = [
                host.create_schedule(created()).await.unwrap().error,
                host.update_schedule("a".to_owned(), updated()).await.unwrap().error,
                host.delete_schedule("a".to_owned()).await.unwrap().error,
            ];

            assert_eq!(errors.each_ref().map(|error| error.as_deref()), [Some(sentence); 3]);
        }
    }
}
