#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Lets devstack's own lib/cinder and lib/glance write their configuration
# without a database, a broker, and checkouts of Cinder and Glance.
#
# shellcheck disable=SC2034

silence configure_rootwrap iniset_rpc_backend setup_logging \
    write_uwsgi_config write_local_uwsgi_http_config

function database_connection_url {
    echo "sqlite:///$STATE/data/$1"
}

CINDER_CONF_DIR=$STATE/etc
CINDER_API_PASTE_INI=$CINDER_CONF_DIR/api-paste.ini
GLANCE_CONF_DIR=$STATE/etc
GLANCE_API_PASTE_INI=$GLANCE_CONF_DIR/glance-api-paste.ini
GLANCE_CACHE_CONF=$GLANCE_CONF_DIR/glance-cache.conf
GLANCE_IMAGE_IMPORT_CONF=$GLANCE_CONF_DIR/glance-image-import.conf
GLANCE_METADEF_DIR=$GLANCE_CONF_DIR
GLANCE_SCHEMA_JSON=$GLANCE_CONF_DIR/schema-image.json
GLANCE_SWIFT_STORE_CONF=$GLANCE_CONF_DIR/glance-swift-store.conf
GLANCE_UWSGI_CONF=$GLANCE_CONF_DIR/glance-uwsgi.ini

mkdir -p "$CINDER_DIR/etc/cinder" "$GLANCE_DIR/etc/metadefs"
touch "$CINDER_DIR/etc/cinder/api-paste.ini" "$GLANCE_UWSGI_CONF" \
    "$GLANCE_DIR/etc/"{glance-api-paste.ini,schema-image.json} \
    "$GLANCE_DIR/etc/metadefs/none.json"
