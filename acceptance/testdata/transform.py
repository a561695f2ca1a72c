"""Prints what CloudFormation makes of the template's SAM resources, as JSON.

    python transform.py TEMPLATE

It is the transformation of AWS's own library, without a network. The roles are the
template's own, so that no managed policy has to be looked up; where the code of the
functions lies does not matter here.
"""

import hashlib
import json
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# The library asks for one, and puts it nowhere.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"


class NoManagedPolicies:
    def load(self):
        return {}


with open(sys.argv[1], "rb") as file:
    text = file.read()
template = yaml_parse(text.decode())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": resource["Properties"]["CodeUri"]}
golden = {
    "sha256 of the template": hashlib.sha256(text).hexdigest(),
    "transformed": transform(template, {}, NoManagedPolicies()),
}
json.dump(golden, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
print()
