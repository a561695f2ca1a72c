"""Starts the emulator of AWS, ministack, with what it does otherwise than AWS put right.

Each function below is one difference. The emulator's version is pinned: when a name
that is used here is gone, starting it fails.
"""

import base64
import json
import os
import re
import signal
import threading
from importlib.metadata import version

from hypercorn.config import Config
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import alb, apigateway, cloudfront, s3, sqs
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

KNOWN = "1.5.33"


def a_role_is_named_not_its_session():
    """aws:PrincipalArn of somebody in a role is the role's ARN; here it was the session's."""
    plain = iam_evaluator._resolve_condition_key

    def resolve(key, ctx):
        value = plain(key, ctx)
        if key.lower() == "aws:principalarn" and ctx.principal_type == "AssumedRole":
            account, _, rest = value.removeprefix("arn:aws:sts::").partition(":assumed-role/")
            return f"arn:aws:iam::{account}:role/{rest.partition('/')[0]}"
        return value

    iam_evaluator._resolve_condition_key = resolve


def copies_are_conditional_and_have_checksums():
    """CopyObject heeds If-None-Match, and computes and answers the checksum that is asked for."""
    plain, precondition = s3._copy_object, s3._check_put_preconditions
    one_at_a_time = threading.Lock()

    def copy(bucket, key, headers):
        with one_at_a_time:
            there = s3._ensure_bucket(bucket)
            refused = precondition(headers, there["objects"].get(key)) if there else None
            if refused is not None:
                return refused
            algorithm = headers.get("x-amz-checksum-algorithm", "")
            if algorithm:
                headers = {**headers, "x-amz-sdk-checksum-algorithm": algorithm}
            status, answer, body = plain(bucket, key, headers)
            if status == 200 and algorithm:
                sums = s3._ensure_bucket(bucket)["objects"][key]["checksums"]
                name = "Checksum" + algorithm.upper()
                element = f"<{name}>{sums[algorithm.upper()]}</{name}></CopyObjectResult>"
                body = body.replace(b"</CopyObjectResult>", element.encode())
            return status, answer, body

    s3._copy_object = copy


def a_part_of_a_version_is_read():
    """GetObject heeds Range for a version that is named, too: one range, as the product asks for it."""
    plain = s3._get_object

    def get(bucket, key, headers, query, *rest):
        status, answer, body = plain(bucket, key, headers, query, *rest)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if status != 200 or not wanted or not query.get("versionId"):
            return status, answer, body
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        if first > last:
            return s3._error("InvalidRange", "The requested range is not satisfiable", 416)
        answer = {**answer, "Content-Range": f"bytes {first}-{last}/{len(body)}", "Content-Length": str(last - first + 1)}
        return 206, answer, body[first : last + 1]

    s3._get_object = get


def a_mapping_is_bounded_by_a_number():
    """CloudFormation's parameters are text; the bound of an event source mapping is a number all the same."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handlers["create"], handlers["update"]

    def numbered(props):
        scaling = dict(props.get("ScalingConfig") or {})
        if "MaximumConcurrency" in scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return {**props, "ScalingConfig": scaling}

    handlers["create"] = lambda logical_id, props, stack_name: create(logical_id, numbered(props), stack_name)
    handlers["update"] = lambda physical_id, old, new, stack_name: update(physical_id, old, numbered(new), stack_name)


def a_table_is_protected_by_a_boolean():
    """The same for a table's protection against deletion: "false" is not true."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    plain = handlers["create"]

    def create(logical_id, props, stack_name):
        protected = str(props.get("DeletionProtectionEnabled", False)).lower() == "true"
        return plain(logical_id, {**props, "DeletionProtectionEnabled": protected}, stack_name)

    handlers["create"] = create


def logs_are_written_to_streams():
    """What is written to a log lies in one of its streams, GROUP:log-stream:NAME, not in the group itself."""
    plain = iam_actions.extract_resource_arn

    def extract(service, method, path, headers, body, *rest, **named):
        arn = plain(service, method, path, headers, body, *rest, **named)
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "logs" and action in ("CreateLogStream", "PutLogEvents"):
            arn += ":log-stream:" + json.loads(body).get("logStreamName", "")
        return arn

    iam_actions.extract_resource_arn = extract


def a_move_task_is_of_its_dead_letter_queue():
    """Rights on a move task are rights on the queue that it empties, which the call or the task's handle names."""
    plain = iam_actions.extract_resource_arn

    def extract(service, method, path, headers, body, *rest, **named):
        if service == "sqs" and headers.get("x-amz-target", "").endswith(("MessageMoveTask", "MessageMoveTasks")):
            asked = json.loads(body)
            return asked.get("SourceArn") or json.loads(base64.b64decode(asked["TaskHandle"]))["sourceArn"]
        return plain(service, method, path, headers, body, *rest, **named)

    iam_actions.extract_resource_arn = extract


def a_batch_of_messages_is_a_right_to_each():
    """What is done to several messages at once needs the right to do it to one: SQS has no other."""
    plain = iam_actions.extract_iam_action

    def extract(service, *rest, **named):
        action = plain(service, *rest, **named)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract


def one_mapping_is_read_and_changed():
    """A mapping under its id has actions of its own; here each GET was a list, and PUT was nobody's to forbid. Nor was
    it to ask for the account's settings."""
    plain = iam_actions._lambda_action

    def action(method, path):
        if re.search("/event-source-mappings/[^/]+$", path):
            return {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}[method] + "EventSourceMapping"
        if path.endswith("/account-settings"):
            return "GetAccountSettings"
        return plain(method, path)

    iam_actions._lambda_action = action


def an_api_has_the_routes_of_its_definition():
    """SAM writes an HTTP API's routes into its Body, which was passed over."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    plain = handlers["create"]

    def create(logical_id, props, stack_name):
        api, attributes = plain(logical_id, props, stack_name)
        for path, methods in (props.get("Body") or {}).get("paths", {}).items():
            for method, operation in methods.items():
                said = operation["x-amazon-apigateway-integration"]
                apigateway._create_integration(api, {
                    "integrationType": said["type"].upper(), "integrationUri": said["uri"],
                    "integrationMethod": said["httpMethod"], "payloadFormatVersion": said["payloadFormatVersion"]})
                made = list(apigateway._integrations[api])[-1]
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                route = "$default" if operation.get("isDefaultRoute") else f"{verb} {path}"
                apigateway._create_route(api, {"routeKey": route, "target": f"integrations/{made}"})
        return api, attributes

    handlers["create"] = create


def a_preflight_is_the_functions_to_answer():
    """An HTTP API without CORS of its own hands OPTIONS on, like any other method."""
    plain = apigateway._handle_execute_in_scope

    class Unanswered(str):
        """A method that the gateway does not know for its own."""

        __hash__ = str.__hash__

        def __eq__(self, other):
            return False

    async def execute(api, stage, path, method, *rest):
        if method == "OPTIONS" and not apigateway._apis.get(api, {}).get("corsConfiguration"):
            method = Unanswered(method)
        return await plain(api, stage, path, method, *rest)

    apigateway._handle_execute_in_scope = execute


def a_target_group_has_its_targets():
    """The targets that a template gives a target group are registered; they were passed over."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::TargetGroup"]
    plain = handlers["create"]

    def create(logical_id, props, stack_name):
        arn, attributes = plain(logical_id, props, stack_name)
        alb.set_targets_for_group(arn, [(target["Id"], target.get("Port", 0)) for target in props.get("Targets") or []])
        return arn, attributes

    handlers["create"] = create


def a_load_balancer_decodes_no_query_and_has_a_bound():
    """A function gets the query as the client encoded it, and no body of more than 1 MB."""
    plain = alb._invoke_lambda_target

    async def invoke(function, group, method, path, headers, body, query_params, raw_query_string=None):
        if len(body or b"") > 1 << 20:
            return 413, {"Content-Type": "text/html"}, b"<html><head><title>413 Request Entity Too Large</title></head></html>"
        encoded = {}
        for pair in filter(None, (raw_query_string or "").split("&")):
            name, _, value = pair.partition("=")
            encoded.setdefault(name, []).append(value)
        return await plain(function, group, method, path, headers, body, encoded, raw_query_string)

    alb._invoke_lambda_target = invoke


def a_flow_log_is_taken():
    """A flow log can be in a template. Nothing is written to it: nothing of what flows here has a network."""
    provisioners._RESOURCE_HANDLERS["AWS::EC2::FlowLog"] = {
        "create": lambda logical_id, props, stack_name: (f"fl-{stack_name}", {}), "delete": lambda *_: None}


def logs_are_delivered_nowhere():
    """What delivers the access log of a distribution can be in a template. CloudFront writes none here."""
    for part in ("Source", "Destination", ""):
        provisioners._RESOURCE_HANDLERS[f"AWS::Logs::Delivery{part}"] = {
            "create": lambda logical_id, props, stack_name: (
                props.get("Name", logical_id), {"Arn": f"arn:aws:logs:us-east-1:000000000000:{logical_id}"}),
            "delete": lambda *_: None}


def an_origin_is_reached_where_everything_is():
    """A distribution's origin is an API of this emulator, under the name of its own; the port is another than 443."""
    plain = cloudfront._origin_connect_target

    def target(origin, viewer_is_https):
        _, _, tls = plain(origin, viewer_is_https)
        return "127.0.0.1", int(os.environ["GATEWAY_PORT"]), tls

    cloudfront._origin_connect_target = target


def a_condition_may_split_a_text():
    """Fn::Split in a condition is resolved as anywhere else."""
    plain = engine._evaluate_conditions

    def resolved(value, params):
        if isinstance(value, list):
            return [resolved(member, params) for member in value]
        if not isinstance(value, dict):
            return value
        if "Fn::Split" in value:
            separator, text = value["Fn::Split"]
            return str(params[text["Ref"]]["Value"] if isinstance(text, dict) else text).split(separator)
        return {name: resolved(member, params) for name, member in value.items()}

    def evaluate(template, params):
        return plain({**template, "Conditions": resolved(template.get("Conditions", {}), params)}, params)

    for module in (engine, changesets, handlers, stacks):
        module._evaluate_conditions = evaluate


def a_connection_is_kept():
    """One connection carries any number of requests; the one after the thousandth got no answer."""
    Config.keep_alive_max_requests = 10**9


def an_alarm_may_watch_an_expression():
    """An alarm on metric math is taken. What it watches is asserted on the transformed template;
    here it is kept as one on the first metric of its expression, since nothing is counted and no alarm rings."""
    plain = provisioners._cw_metric_alarm_record

    def record(name, props):
        measured = [m["MetricStat"] for m in props.get("Metrics") or [] if "MetricStat" in m]
        if not measured:
            return plain(name, props)
        first = measured[0]
        alone = {key: value for key, value in props.items() if key != "Metrics"}
        return plain(name, {**alone, **first["Metric"], "Period": first["Period"], "Statistic": first["Stat"]})

    provisioners._cw_metric_alarm_record = record


def what_people_ask_for_is_written_down():
    """No difference: each right that somebody in a role on-call-… asks for is a line of the file ASKED."""
    plain = iam_evaluator.enforce
    file = os.open(os.environ["ASKED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        refused = plain(access_key_id, iam_action, service, region, resource_arn, service_context)
        who = (iam_evaluator.resolve_caller_identity(access_key_id) or {}).get("userArn", "")
        if ":assumed-role/on-call-" in who:
            line = {"session": who.rpartition("/")[2], "action": iam_action, "resource": resource_arn, "allowed": not refused}
            os.write(file, json.dumps(line).encode() + b"\n")
        return refused

    iam_evaluator.enforce = enforce


def messages_come_back_at_a_signal():
    """No difference: at SIGUSR1 five minutes pass for the messages of a queue that has no dead letters of its own,
    so that whoever was killed need not be waited for."""

    def pass_by(*_):
        for _, queue in sqs._queues.all_items():
            if "RedrivePolicy" not in queue["attributes"]:
                for message in queue["messages"]:
                    message["visible_at"] -= 300

    signal.signal(signal.SIGUSR1, pass_by)


if __name__ == "__main__":
    if version("ministack") != KNOWN:
        raise SystemExit(f"ministack {version('ministack')} is installed; this was written for {KNOWN}")
    a_role_is_named_not_its_session()
    copies_are_conditional_and_have_checksums()
    a_part_of_a_version_is_read()
    a_mapping_is_bounded_by_a_number()
    a_table_is_protected_by_a_boolean()
    logs_are_written_to_streams()
    a_move_task_is_of_its_dead_letter_queue()
    a_batch_of_messages_is_a_right_to_each()
    one_mapping_is_read_and_changed()
    an_api_has_the_routes_of_its_definition()
    a_preflight_is_the_functions_to_answer()
    a_target_group_has_its_targets()
    a_load_balancer_decodes_no_query_and_has_a_bound()
    a_flow_log_is_taken()
    logs_are_delivered_nowhere()
    an_origin_is_reached_where_everything_is()
    a_condition_may_split_a_text()
    an_alarm_may_watch_an_expression()
    a_connection_is_kept()
    what_people_ask_for_is_written_down()
    messages_come_back_at_a_signal()
    app.main()
