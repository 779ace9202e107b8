#!/usr/bin/env python3
"""A device in Python: publishes readings at QoS 1 over MQTT 5, and prints what the platform says of them.

    pip install paho-mqtt==2.1.0
    DEVICE_SECRET=… python3 device.py --username coldchain.truck-7 --fleet reefers --reading '{"temperature": 4.2}'

It ends with 0 when every reading was accepted by the broker and none was rejected later.
"""
import argparse
import json
import os
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=1883)
parser.add_argument("--username", required=True, help="NAMESPACE.DEVICE")
parser.add_argument("--fleet", required=True)
parser.add_argument("--reading", default='{"temperature": 4.2}', help="JSON object of measurements")
parser.add_argument("--count", type=int, default=3)
parser.add_argument("--every", type=float, default=1.0, help="seconds between readings")
parser.add_argument("--linger", type=float, default=0.0, help="seconds to listen for rejections at the end")
args = parser.parse_args()

namespace, device = args.username.split(".", 1)
base = f"fleets/{namespace}/{args.fleet}/{device}"
failures = 0
answered, answer = threading.Event(), None


def on_connect(client, userdata, flags, reason_code, properties):
    global answer
    answer = reason_code
    client.subscribe(f"{base}/errors")
    answered.set()


def on_publish(client, userdata, mid, reason_code, properties):
    global failures
    failures += reason_code.is_failure
    print(f"{mid}: {'refused: ' if reason_code.is_failure else ''}{reason_code}", flush=True)


def on_message(client, userdata, message):
    global failures
    failures += 1
    rejection = json.loads(message.payload)
    print(f"rejected: {rejection['reason']} {rejection['field']}: {rejection['hint']}", flush=True)


# The client id is the user name: the broker insists. Not a clean session, so that a QoS 1 message in flight outlives a reconnect.
client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=args.username, protocol=mqtt.MQTTv5)
client.username_pw_set(args.username, os.environ["DEVICE_SECRET"])
client.on_connect, client.on_publish, client.on_message = on_connect, on_publish, on_message
client.connect(args.host, args.port, keepalive=30)
client.loop_start()
if not answered.wait(timeout=10) or answer.is_failure:
    sys.exit(f"not let in: {answer or 'the broker does not answer'}")

for _ in range(args.count):
    reading = {"ts": time.time_ns() // 1_000_000, **json.loads(args.reading)}
    message = client.publish(f"{base}/telemetry", json.dumps(reading), qos=1)
    message.wait_for_publish(timeout=30)
    time.sleep(args.every)

time.sleep(args.linger)
client.disconnect()
client.loop_stop()
sys.exit(1 if failures else 0)
