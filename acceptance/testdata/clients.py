"""boto3 and requests against the S3 and SQS of `hatchery dev`, as its exports point them."""

import os

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

bucket, dead = os.environ["HATCHERY_BUCKET"], os.environ["HATCHERY_DEAD_LETTER_URL"]
key = "elsewhere/a b+é.txt"
# Where nothing else is said boto3 signs links of this region in a form that S3 has given up.
v4 = Config(signature_version="s3v4")
s3, sqs = boto3.client("s3", config=v4), boto3.client("sqs")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as fault:
        assert fault.response["Error"]["Code"] in code, fault
    else:
        raise AssertionError(f"not refused: {call} {arguments}")


# Versions: two of them, each read by its id, each removed by its id.
first = s3.put_object(Bucket=bucket, Key=key, Body=b"one", ContentType="text/plain")["VersionId"]
second = s3.put_object(Bucket=bucket, Key=key, Body=b"three")["VersionId"]
assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"three"
assert s3.get_object(Bucket=bucket, Key=key, VersionId=first)["Body"].read() == b"one"
assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-2")["Body"].read() == b"hr"
assert s3.head_object(Bucket=bucket, Key=key, VersionId=first)["ContentType"] == "text/plain"
listed = s3.list_object_versions(Bucket=bucket, Prefix="elsewhere/")
assert [v["VersionId"] for v in listed["Versions"]] == [second, first], listed
assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="elsewhere/")["Contents"]] == [key]

# What is there is not overwritten by who asks for that.
refused(("PreconditionFailed",), s3.put_object, Bucket=bucket, Key=key, Body=b"x", IfNoneMatch="*")
refused(("NoSuchKey",), s3.get_object, Bucket=bucket, Key="elsewhere/none")
refused(("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "InvalidRequest", "BadRequest"), s3.put_object,
        Bucket=bucket, Key="elsewhere/sum", Body=b"x", ChecksumSHA256="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")

# Signed links and forms.
link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key, "VersionId": first}, ExpiresIn=60)
assert requests.get(link, timeout=20).content == b"one"
assert requests.get(link.replace(first, second), timeout=20).status_code == 403
form = s3.generate_presigned_post(bucket, "elsewhere/form.txt", Conditions=[["content-length-range", 1, 4]], ExpiresIn=60)
assert requests.post(form["url"], data=form["fields"], files={"file": b"four"}, timeout=20).status_code // 100 == 2
assert requests.post(form["url"], data=form["fields"], files={"file": b"fives"}, timeout=20).status_code == 400
assert s3.get_object(Bucket=bucket, Key="elsewhere/form.txt")["Body"].read() == b"four"

# Multipart.
upload = s3.create_multipart_upload(Bucket=bucket, Key="elsewhere/parts")["UploadId"]
part = s3.upload_part(Bucket=bucket, Key="elsewhere/parts", UploadId=upload, PartNumber=1, Body=b"p" * (5 << 20))
s3.complete_multipart_upload(Bucket=bucket, Key="elsewhere/parts", UploadId=upload,
                             MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
assert s3.head_object(Bucket=bucket, Key="elsewhere/parts")["ContentLength"] == 5 << 20

for version in (first, second):
    s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
assert "Versions" not in s3.list_object_versions(Bucket=bucket, Prefix=key)

# Another's credentials.
stranger = boto3.client("s3", aws_access_key_id="stranger", aws_secret_access_key="stranger")
refused(("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"), stranger.list_objects_v2, Bucket=bucket)

# Queues: sent, received, hidden, shown again, deleted; in batches, too.
sent = sqs.send_message(QueueUrl=dead, MessageBody="one", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
got = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
assert got["MessageId"] == sent["MessageId"] and got["Body"] == "one" and got["MessageAttributes"]["n"]["StringValue"] == "1", got
assert "Messages" not in sqs.receive_message(QueueUrl=dead)
sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
again = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"][0]
sqs.delete_message(QueueUrl=dead, ReceiptHandle=again["ReceiptHandle"])
batch = sqs.send_message_batch(QueueUrl=dead, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(10)])
assert len(batch["Successful"]) == 10
gone = 0
while gone < 10:
    for m in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]:
        sqs.delete_message_batch(QueueUrl=dead, Entries=[{"Id": "0", "ReceiptHandle": m["ReceiptHandle"]}])
        gone += 1
assert sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"] == "0"
assert any(url.endswith(dead.rsplit("/", 1)[1]) for url in sqs.list_queues()["QueueUrls"])
print("all well")
