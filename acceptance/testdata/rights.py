"""Prints what AWS says of the rights that a deployment needs, as JSON.

    python rights.py TEMPLATE ...

"handlers" has, of each type of resource in the templates, the actions that CloudFormation calls with the deployer's
rights, by handler: what the type's own schema says. Of these actions, and of those that the templates grant, "on everything"
has those that are a right on "*" alone, and "unknown" those that are no right. cfn-lint has both from AWS: the schemas, and
the Service Authorization Reference.
"""

import json
import sys
from importlib import resources
from importlib.metadata import version

import cfnlint.data.AdditionalSpecs
import cfnlint.data.schemas
from samtranslator.yaml_helper import yaml_parse

reference = json.loads((resources.files(cfnlint.data.AdditionalSpecs) / "Policies.json").read_text())
schemas = resources.files(cfnlint.data.schemas)
files = json.loads((schemas / "providers" / "us-east-1.json").read_text())

# What SAM makes of the events of a function, and of its own resources.
transformed = {
    "AWS::Serverless::Function": ["AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping",
                                  "AWS::Lambda::EventInvokeConfig", "AWS::Events::Rule"],
    "AWS::Serverless::HttpApi": ["AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"],
}


def actions_in(value):
    """The actions of all statements within a value."""
    if isinstance(value, list):
        return {action for member in value for action in actions_in(member)}
    if not isinstance(value, dict):
        return set()
    named = value.get("Action", [])
    return set([named] if isinstance(named, str) else named) | actions_in(list(value.values()))


types, granted = set(), set()
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        made = yaml_parse(file.read().decode())["Resources"].values()
    for resource in made:
        types.update(transformed.get(resource["Type"], [resource["Type"]]))
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            granted |= actions_in(resource["Properties"])

handlers = {}
for kind in sorted(types):
    schema = json.loads((schemas / "resources" / (files[kind] + ".json")).read_text())
    handlers[kind] = {name: sorted(set(handler["permissions"])) for name, handler in sorted(schema["handlers"].items())
                      if name != "list"}

named = granted | {action for all in handlers.values() for some in all.values() for action in some}
known = {action: reference.get(action.partition(":")[0], {}).get("Actions", {}).get(action.partition(":")[2].lower())
         for action in sorted(named)}

json.dump({
    "sources": {"cfn-lint": version("cfn-lint"), "schemas": json.loads((schemas / "version.json").read_text())["schema_date"]},
    "handlers": handlers,
    "on everything": [action for action, about in known.items() if about is not None and not about.get("Resources")],
    "unknown": [action for action, about in known.items() if about is None],
}, sys.stdout, indent=1, sort_keys=True)
print()
