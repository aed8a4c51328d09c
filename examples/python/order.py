# A workflow application that is written with Dapr's SDK for Python and knows nothing of Troupe. DAPR_GRPC_PORT says where the
# service is, as with a sidecar.

from datetime import timedelta

import dapr.ext.workflow as wf

runtime = wf.WorkflowRuntime()


@runtime.workflow
def order(ctx: wf.DaprWorkflowContext, order: dict):
    yield ctx.call_activity(reserve, input=order['item'])
    approved = ctx.wait_for_external_event('approved')
    too_late = ctx.create_timer(timedelta(seconds=order['approval_seconds']))
    first = yield wf.when_any([approved, too_late])
    if first == too_late:
        yield ctx.call_activity(release, input=order['item'])
        return 'nobody approved it in time'
    yield ctx.call_activity(charge, input=order['amount'], retry_policy=patient)
    shipped = yield ctx.call_child_workflow(shipping, input=order['item'])
    return f'{shipped}; approved by {approved.get_result()["by"]}'


@runtime.workflow
def shipping(ctx: wf.DaprWorkflowContext, item: str):
    parts = [f'the {item}', 'the invoice', 'a card']
    packed = yield wf.when_all([ctx.call_activity(pack, input=part) for part in parts])
    return f'shipped: {", ".join(packed)}'


@runtime.activity
def reserve(ctx: wf.WorkflowActivityContext, item: str) -> str:
    say(f'reserving a {item}')
    return f'{item}, reserved'


@runtime.activity
def release(ctx: wf.WorkflowActivityContext, item: str) -> None:
    say(f'releasing the {item}')


refused = []
patient = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=100), max_number_of_attempts=3)


@runtime.activity
def charge(ctx: wf.WorkflowActivityContext, amount: int) -> int:
    if not refused:
        refused.append(amount)
        say('the bank does not answer')
        raise ConnectionError('the bank does not answer')
    say(f'charging {amount}')
    return amount


@runtime.activity
def pack(ctx: wf.WorkflowActivityContext, part: str) -> str:
    return f'{part} packed'


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    runtime.start()
    client = wf.DaprWorkflowClient()
    lamp = client.schedule_new_workflow(order, input={'item': 'lamp', 'amount': 40, 'approval_seconds': 1})
    book = client.schedule_new_workflow(order, input={'item': 'book', 'amount': 12, 'approval_seconds': 3600})

    late = client.wait_for_workflow_completion(lamp, timeout_in_seconds=30)
    say(f'lamp: {late.serialized_output}')

    client.raise_workflow_event(book, 'approved', data={'by': 'Ada'})
    done = client.wait_for_workflow_completion(book, timeout_in_seconds=30)
    say(f'book: {done.serialized_output}')

    client.close()
    runtime.shutdown()


if __name__ == '__main__':
    main()
