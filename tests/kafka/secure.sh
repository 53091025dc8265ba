#!/usr/bin/env bash
# What a broker needs to ask its clients who they are: secure.sh FOLDER PORT, before `broker.sh start`.
#
# FOLDER is that of one broker, PORT its first; two behind it clients log in by password (SASL over TLS), three behind it
# by certificate. The user "limited" may do nothing until a test allows it; all others may do everything. Makes in FOLDER: ca.pem, client.pem and client.key, and stranger.pem, an authority that nobody trusts.
set -euo pipefail
folder=$1 port=$2
mkdir -p "$folder"
cd "$folder"

authority() { # name
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

certificate() { # name
  openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.request" 2>/dev/null
  openssl x509 -req -in "$1.request" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$1.pem" \
    -extfile <(echo "subjectAltName=IP:127.0.0.1") 2>/dev/null
}

authority ca
authority stranger
certificate broker
certificate client
cat broker.key broker.pem >keystore.pem

cat >./more <<TEXT
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),SASL_SSL://127.0.0.1:$((port + 2)),SSL://127.0.0.1:$((port + 3))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_plain="of-plain" user_limited="of-limited";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=$folder/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$folder/ca.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:plain;User:scram;User:CN=client
TEXT
printf -- '--add-scram\nSCRAM-SHA-256=[name=scram,password=of-scram]\n--add-scram\nSCRAM-SHA-512=[name=scram,password=of-scram]\n' >./users
