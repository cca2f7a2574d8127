// fastify and ioredis with autopipelining: one XADD per request, one stream per customer.
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const [port, socket] = process.argv.slice(2)
const store = new Redis({ path: socket, enableAutoPipelining: true })
const server = Fastify()

const body = {
  type: 'object',
  required: ['id', 'channel', 'type', 'occurred_at', 'identities'],
  properties: {
    id: { type: 'string' },
    channel: { type: 'string' },
    type: { type: 'string' },
    occurred_at: { type: 'string' },
    identities: { type: 'array' },
    text: { type: 'string' },
    data: { type: 'object' },
  },
}

server.post('/', { schema: { body } }, async (request, reply) => {
  const it = request.body
  const fields = ['id', it.id, 'channel', it.channel, 'type', it.type, 'occurred_at', it.occurred_at]
  fields.push('text', it.text ?? '', 'data', JSON.stringify(it.data ?? {}))
  await store.xadd(`timeline:${it.identities[0]}`, '*', ...fields)
  reply.code(204).send()
})

await server.listen({ host: '127.0.0.1', port: Number(port) })
