#!/bin/sh
# Fission's example installs requirements here; this one makes a module, so that no package index is needed.
set -e
cp -r ${SRC_PKG} ${DEPLOY_PKG}
mkdir ${DEPLOY_PKG}/generated
touch ${DEPLOY_PKG}/generated/__init__.py
echo "WORDS = 'built on this machine'" > ${DEPLOY_PKG}/generated/greeting.py
