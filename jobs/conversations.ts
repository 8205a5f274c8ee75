import { createHash } from 'node:crypto';
import { type DynamoRecord, defineJob, dynamodb, dynamodbExport, table } from 'drayage';

const CONVERSATION = 'CONV#';
const MESSAGE = 'MSG#';

export default defineJob({
  name: 'conversations',
  description: 'Conversations and messages from a single table of DynamoDB, or from an export of it',
  params: {
    table: { type: 'string', env: 'DYNAMODB_TABLE_NAME', default: 'conversations', help: 'name of the table' },
    export: {
      type: 'string',
      default: '',
      help: 'folder or s3:// prefix of a table export, read instead of the table',
    },
    prefix: { type: 'string', default: 'USER#', help: 'only users whose partition key begins like this' },
    endpoint: { type: 'string', env: 'DYNAMODB_ENDPOINT_URL', default: '', help: 'URL of a server other than AWS' },
    region: { type: 'string', env: 'AWS_REGION', default: '', help: 'left out: that of the AWS profile' },
    usersPerPartition: { type: 'number', default: 100, help: 'users that are loaded in one transaction' },
    readUnits: { type: 'number', default: 0, help: 'read capacity units per second and worker; 0 for any number' },
    consistent: { type: 'boolean', default: false, help: 'strongly consistent reads, which cost twice as much' },
  },
  source: ({ table, export: path, prefix, endpoint, region, usersPerPartition, readUnits, consistent }) =>
    path !== ''
      ? dynamodbExport(path)
      : dynamodb({
          ...{ table, prefix, consistent, partitionKey: 'pk', idsPerPartition: usersPerPartition, unchanged: 'skip' },
          ...(endpoint === '' ? {} : { endpoint }),
          ...(region === '' ? {} : { region }),
          ...(readUnits === 0 ? {} : { readUnits }),
        }),
  transform: (item, emit) => {
    const { pk, sk } = item;
    if (typeof pk !== 'string' || typeof sk !== 'string' || !pk.startsWith('USER#')) {
      emit.reject('not_of_a_user', 'the partition key is not USER#<user>');
      return;
    }
    const user_id = pk.slice('USER#'.length);
    const common = {
      user_id,
      filter_values: json(item.filter_values ?? item.filter_value),
      created_at: moment(item.created_at ?? item.createdAt),
      updated_at: moment(item.updated_at ?? item.updatedAt),
    };
    if (sk.startsWith(CONVERSATION)) {
      const source_id = sk.slice(CONVERSATION.length);
      const is_active = item.is_active ?? item.isActive ?? true;
      emit.conversations({ ...common, id: uuid(pk, sk, source_id), source_id, title: item.title, is_active });
      return;
    }
    const [, conversation, source_id] = /^MSG#([^#]+)#(.+)$/s.exec(sk) ?? [];
    if (conversation === undefined || source_id === undefined) {
      const known = `${CONVERSATION}<conversation> or ${MESSAGE}<conversation>#<message>`;
      emit.reject('unknown_entity', `the sort key is not ${known}`);
      return;
    }
    emit.messages({
      ...common,
      id: uuid(pk, sk, source_id),
      source_id,
      conversation_id: uuid(pk, `${CONVERSATION}${conversation}`, conversation),
      role: item.role,
      content: item.content,
      feedback: item.feedback,
      is_user_filter_text: item.is_user_filter_text ?? item.isUserFilterText,
      metadata: json(item.metadata),
    });
  },
  targets: {
    conversations: table({
      ddl: 'conversations.sql',
      after: 'conversations.after.sql',
      key: ['id'],
      mode: 'upsert',
      columns: {
        id: 'uuid',
        source_id: 'text',
        user_id: 'text',
        title: 'text',
        filter_values: 'json',
        is_active: 'boolean',
        created_at: 'timestamptz',
        updated_at: 'timestamptz',
      },
    }),
    messages: table({
      ddl: 'messages.sql',
      after: 'messages.after.sql',
      key: ['id'],
      mode: 'upsert',
      columns: {
        id: 'uuid',
        source_id: 'text',
        conversation_id: 'uuid',
        user_id: 'text',
        role: 'text',
        content: 'text',
        feedback: 'text',
        filter_values: 'json',
        is_user_filter_text: 'boolean',
        metadata: 'json',
        created_at: 'timestamptz',
        updated_at: 'timestamptz',
      },
    }),
  },
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** What ids that are no UUIDs are made one in; chosen once, and never to be changed. */
const NAMESPACE = Buffer.from('6d0f2b0e7c5c4f0fb8f4a3b1d9a7e251', 'hex');

/** The id where it is a UUID, else one of version 5 (RFC 9562) over both keys, which are unique together. */
function uuid(pk: string, sk: string, id: string): string {
  if (UUID.test(id)) return id;
  const hash = createHash('sha1').update(NAMESPACE).update(`${pk}\n${sk}`).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A string that holds a JSON object or array is that; any other is a string in JSON, too. */
function json(value: DynamoRecord[string]): unknown {
  if (typeof value !== 'string') return value;
  try {
    return /^\s*[[{]/.test(value) && JSON.parse(value) ? value : JSON.stringify(value);
  } catch {
    return JSON.stringify(value);
  }
}

/** Times without an offset were written in UTC. */
function moment(value: DynamoRecord[string]): DynamoRecord[string] {
  const isBare = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/.test(value);
  return isBare ? `${value}Z` : value;
}
