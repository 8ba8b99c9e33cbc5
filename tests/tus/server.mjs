#!/usr/bin/env node
// A tus server that is not ours, @tus/server over a folder, on a free port of the loopback interface. It is as it was
// installed; what a test wants beyond that is done in front of it, by POST /control/ORDER with JSON.
//
//   node server.mjs OPTIONS     prints where uploads are created when it listens, and ends with its standard input
//
// OPTIONS is a JSON object of what OPTIONS below lists.
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const OPTIONS = {
  dir: '.', // where uploads lie
  issuer: null, // whose access tokens it takes; null: it asks for none
  max: 0, // bytes of the largest upload; 0: any
  largest: 0, // bytes of the largest request that something before it takes; 0: any
  expires: 0, // milliseconds after which an upload that is not finished is over; 0: never
  ...JSON.parse(process.argv[2] ?? '{}'),
};

const refuse = (status_code, body) => {
  throw { status_code, body };
};

// Opaque tokens are what the issuer says of them.
async function authorize(request) {
  if (!OPTIONS.issuer) return;
  const authorization = request.headers.get('authorization');
  if (!authorization) refuse(401, 'a token is needed');
  const who = await fetch(new URL('/me', OPTIONS.issuer), { headers: { authorization } });
  if (!who.ok) refuse(401, 'the issuer does not know this token');
}

const store = new FileStore({ directory: OPTIONS.dir, expirationPeriodInMilliseconds: OPTIONS.expires });
const tus = new Server({
  path: '/files',
  datastore: store,
  maxSize: OPTIONS.max || undefined,
  respectForwardedHeaders: true,
  onIncomingRequest: authorize,
});

// One fault for each of the next `times` requests of a method, the first `after` left alone: `status` answers with it at once; `cut` closes the
// connection when so many bytes have come; `lost` lets the server do its work and closes in place of the answer.
let faults = [];
const log = [];
// Uploads of which something before the server says that there is no such thing.
let unfound = new Set();

function faulty(request, response, fault) {
  if (fault.status) return void response.writeHead(fault.status).end(fault.body ?? '');
  if (fault.lost) {
    for (const word of ['writeHead', 'write', 'end']) response[word] = () => (request.socket.destroy(), response);
  }
  if (fault.cut !== undefined) {
    let left = fault.cut;
    const emit = request.emit.bind(request);
    request.emit = (event, data, ...rest) => {
      if (event === 'data' && (left -= data.length) <= 0) setImmediate(() => request.socket.destroy());
      return emit(event, data, ...rest);
    };
  }
  tus.handle(request, response);
}

const uploads = async () => {
  const names = (await fs.readdir(OPTIONS.dir)).filter((name) => !name.endsWith('.json'));
  // One may be taken away at this moment.
  const found = await Promise.allSettled(names.map((name) => store.getUpload(name)));
  return found.filter((upload) => upload.status === 'fulfilled').map((upload) => upload.value);
};

const orders = {
  fault: ({ method, times = 1, after = 0, ...fault }) => void faults.push({ method, times, after, ...fault }),
  mend: () => void (faults = []),
  pending: () => faults.reduce((sum, fault) => sum + fault.times, 0),
  log: () => log,
  uploads,
  // All uploads that are not finished lose what lies behind so many bytes.
  shorten: async ({ bytes }) => {
    for (const upload of await uploads()) {
      if (upload.offset < upload.size) await fs.truncate(path.join(OPTIONS.dir, upload.id), bytes);
    }
  },
  forget: async ({ without_a_word }) => {
    for (const upload of await uploads()) {
      if (without_a_word) unfound.add(`/files/${upload.id}`);
      await store.remove(upload.id);
    }
  },
};

async function command(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const words = JSON.parse(Buffer.concat(parts).toString() || '{}');
  const answer = await orders[request.url.slice('/control/'.length)](words);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? null));
}

const server = http.createServer((request, response) => {
  if (request.url.startsWith('/control/')) return void command(request, response);
  const { method, url, headers } = request;
  const entry = { method, url, offset: Number(headers['upload-offset'] ?? -1), length: Number(headers['content-length'] ?? 0) };
  log.push(entry);
  response.on('close', () => (entry.status = response.headersSent ? response.statusCode : 0));
  if (unfound.has(url)) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail": "Not Found"}');
  if (OPTIONS.largest && entry.length > OPTIONS.largest) {
    return void response.writeHead(413, { 'content-type': 'text/html' }).end('<html><h1>413 Request Entity Too Large</h1></html>');
  }
  const fault = faults.find((fault) => fault.method === method && fault.times > 0 && !(fault.after-- > 0));
  if (!fault) return void tus.handle(request, response);
  fault.times -= 1;
  faulty(request, response, fault);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/files`));
process.stdin.resume().on('end', () => process.exit(0));
